// Node's https as a server that requires client certificates and answers 204: server.js CERT KEY CA PORT required|requested
'use strict'
const fs = require('fs')
const https = require('https')

const [cert, key, ca] = process.argv.slice(2, 5).map((path) => fs.readFileSync(path))
const [port, certificate] = process.argv.slice(5)
const options = { cert, key, ca, requestCert: true, rejectUnauthorized: certificate === 'required' }
https.createServer(options, (request, answer) => answer.writeHead(204).end()).listen(Number(port), '127.0.0.1')
