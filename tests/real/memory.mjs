// Licensed under the Apache License, Version 2.0; see LICENSE.
//
//     node memory.mjs answer PORT       introspection: every token is active
//     node memory.mjs load URL N        N requests, each with another token
import http from 'node:http';
import { generateKeyPairSync, randomBytes } from 'node:crypto';

const [what, where, count] = process.argv.slice(2);

function answer(port) {
  const issuer = `http://127.0.0.1:${port}`;
  const { publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const about = { issuer, jwks_uri: `${issuer}/jwks`, keys: [publicKey.export({ format: 'jwk' })] };
  http.createServer((request, response) => {
    const chunks = [];
    request.on('data', (chunk) => chunks.push(chunk));
    request.on('end', () => {
      const token = new URLSearchParams(Buffer.concat(chunks).toString()).get('token');
      const now = Math.floor(Date.now() / 1000);
      const body = JSON.stringify(request.method === 'GET' ? about : {
        active: true, sub: `user-${token?.slice(-8)}`, client_id: 'batch', scope: 'orders.read',
        aud: ['api://orders'], iss: issuer, iat: now, exp: now + 3600,
        token_type: 'Bearer', token_use: 'access_token',
      });
      response.writeHead(200, { 'Content-Type': 'application/json', 'Content-Length': body.length });
      response.end(body);
    });
  }).listen(Number(port), '127.0.0.1', () => console.log('ready'));
}

async function load(url, total) {
  const agent = new http.Agent({ keepAlive: true, maxSockets: 8 });
  const seen = {};
  let left = total;
  const one = () => new Promise((resolve) => {
    http.get(url, {
      agent, headers: { Authorization: `Bearer ory_at_${randomBytes(32).toString('base64url')}` },
    }, (response) => {
      seen[response.statusCode] = (seen[response.statusCode] ?? 0) + 1;
      response.resume();
      response.on('end', resolve);
    }).on('error', (error) => {
      seen[error.code] = (seen[error.code] ?? 0) + 1;
      resolve();
    });
  });
  const begin = Date.now();
  await Promise.all(Array.from({ length: 8 }, async () => {
    while (left > 0) {
      left -= 1;
      await one();
    }
  }));
  agent.destroy();
  console.log(JSON.stringify({ seen, seconds: (Date.now() - begin) / 1000 }));
}

if (what === 'answer') {
  answer(where);
} else {
  await load(where, Number(count));
}
