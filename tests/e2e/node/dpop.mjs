// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// A real client (openid-client) that proves possession of its key (RFC 9449):
//
//     node dpop.mjs '{"issuer": URL, "client": {...}, "grant": {...}, "urls": [URL, ...]}'
//
// Gets one DPoP-bound token and requests each URL with it. Prints, as JSON, the token and
// the status and body of each response; then the status of the same token as a bearer
// token, with the first URL.
import { generateKeyPairSync } from 'node:crypto';
import { Issuer } from 'openid-client';

const given = JSON.parse(process.argv[2]);
const issuer = await Issuer.discover(given.issuer);
const client = new issuer.Client(given.client);
const { privateKey: DPoP } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const token = await client.grant(given.grant, { DPoP });
const answers = [];
for (const url of given.urls) {
  const response = await client.requestResource(url, token, { DPoP });
  answers.push([response.statusCode, response.body.toString()]);
}
const bearer = await fetch(given.urls[0], {
  headers: { authorization: `Bearer ${token.access_token}` },
});
console.log(JSON.stringify({
  token: token.access_token, type: token.token_type, answers, bearer: bearer.status,
}));
