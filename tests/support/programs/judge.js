// Node's tls as server and as client, with what `python -m pytest_mtls mint` wrote: the trust, the CRLs, a good identity.
// Commands come on standard input, a line each; every handshake prints "accepted" or "refused" and why.
'use strict';

const fs = require('fs');
const net = require('net');
const path = require('path');
const readline = require('readline');
const tls = require('tls');

const directory = process.argv[2];
const read = (name) => fs.readFileSync(path.join(directory, name), 'utf8');
const END = '-----END X509 CRL-----\n';
const crl = read('ca.crl.pem').split(END).filter(Boolean).map((one) => one + END);
const side = (name) => ({ ca: read('ca.crt'), crl, cert: read(`${name}.crt`), key: read(`${name}.key`) });
const refused = (error) => `refused ${error.code || ''} ${error.reason || error.message || error}`.replace(/\s+/g, ' ');

// Judges that many clients. A client that is refused gets in, and the app is told: so is the reason.
function serve(clients) {
  const server = tls.createServer({ ...side('server'), requestCert: true, rejectUnauthorized: false }, (socket) => {
    judged(socket.authorized ? 'accepted' : `refused ${socket.authorizationError}`);
    socket.on('error', () => {});
    socket.end('!');
  });
  server.on('tlsClientError', (error) => judged(refused(error)));
  function judged(verdict) {
    console.log(verdict);
    clients -= 1;
    if (clients === 0) server.close();
  }
  server.listen(0, '127.0.0.1', () => console.log(`port ${server.address().port}`));
}

function connect(port, host) {
  const name = net.isIP(host) ? {} : { servername: host };
  let said = false;
  const say = (verdict) => {
    if (!said) console.log(verdict);
    said = true;
    socket.destroy();
  };
  const socket = tls.connect({ ...side('client'), host: '127.0.0.1', port, ...name, timeout: 5000 });
  socket.on('secureConnect', () => say('accepted'));
  socket.on('error', (error) => say(refused(error)));
  socket.on('timeout', () => say('refused timeout'));
  socket.on('close', () => say('refused closed'));
}

readline.createInterface({ input: process.stdin }).on('line', (line) => {
  const [command, number, host] = line.split(' ');
  if (command === 'serve') serve(Number(number));
  else connect(Number(number), host);
});
