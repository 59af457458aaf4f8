// A GET by Node's https or by undici for each line of standard input: URL HOST PORT ADDRESS CA CERT KEY verify|insecure, by
// tabs. It answers each by a line, "ok" or what went wrong. caller.js https|undici
'use strict'
const fs = require('fs')
const https = require('https')
const net = require('net')
const { Agent, request } = process.argv[2] === 'undici' ? require('undici') : {}

function get (url, host, port, address, ca, cert, key, mode) {
  const files = Object.fromEntries(Object.entries({ ca, cert, key }).map(([name, path]) => [name, fs.readFileSync(path)]))
  // What the name resolves to, as an entry of the file hosts would say it.
  const lookup = (name, options, answer) =>
    options.all ? answer(null, [{ address, family: 4 }]) : answer(null, address, 4)
  const settings = { ...files, lookup, rejectUnauthorized: mode === 'verify' }
  const servername = net.isIP(host) ? '' : host
  return request ? byUndici(url, { ...settings, ...(servername && { servername }) }) : byHttps({ ...settings, host, port, servername })
}

function byHttps (options) {
  return new Promise((resolve, reject) => {
    const asked = https.get({ ...options, agent: false, timeout: 5000 }, (answer) => answer.resume().on('end', resolve))
    asked.on('error', reject).on('timeout', () => asked.destroy(new Error('timeout')))
  })
}

async function byUndici (url, connect) {
  const dispatcher = new Agent({ connect: { ...connect, timeout: 5000 }, headersTimeout: 5000 })
  try {
    await (await request(url, { dispatcher })).body.text()
  } finally {
    await dispatcher.destroy()
  }
}

async function main () {
  for await (const line of require('readline').createInterface({ input: process.stdin })) {
    let answer = 'ok'
    try {
      await get(...line.split('\t'))
    } catch (error) {
      answer = String(error.code ?? error.message).replaceAll(/\s+/g, ' ')
    }
    process.stdout.write(`${answer}\n`)
  }
}

main()
