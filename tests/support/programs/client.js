// Node's https as a client: client.js CERT KEY CA. A port and a host come on standard input, a line each; every request goes to
// that port of 127.0.0.1 by a connection of its own, and prints "accepted" or "refused" and why.
'use strict'
const fs = require('fs')
const https = require('https')
const net = require('net')
const readline = require('readline')

const [cert, key, ca] = process.argv.slice(2, 5).map((path) => fs.readFileSync(path))

function ask(port, host) {
  const name = net.isIP(host) ? {} : { servername: host }
  const request = https.get({ cert, key, ca, ...name, host: '127.0.0.1', port, agent: false }, (answer) => {
    answer.resume()
    answer.on('end', () => console.log('accepted'))
  })
  request.on('error', (error) => console.log(`refused ${error.code} ${error.message}`.replace(/\s+/g, ' ')))
}

readline.createInterface({ input: process.stdin }).on('line', (line) => ask(...line.split(' ')))
