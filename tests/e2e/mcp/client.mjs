// Licensed under the Apache License, Version 2.0; see LICENSE.
// client.mjs URL ID SECRET: the SDK's own client, with credentials for an
// authorization server that it does not know yet; the person who would log in
// there agrees at once. Prints what happened as JSON.
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { UnauthorizedError } from '@modelcontextprotocol/sdk/client/auth.js';
import { StreamableHTTPClientTransport }
    from '@modelcontextprotocol/sdk/client/streamableHttp.js';

const [url, clientId, clientSecret] = process.argv.slice(2);
const requests = [];

async function watched(input, init) {
    const response = await fetch(input, init);
    requests.push({
        method: init?.method ?? 'GET', url: String(input?.url ?? input),
        status: response.status,
        challenge: response.headers.get('www-authenticate')
    });
    return response;
}

// What an application keeps for the SDK.
class Person {
    redirectUrl = 'http://127.0.0.1/callback';
    clientMetadata = { client_name: 'test', redirect_uris: [this.redirectUrl] };
    clientInformation() {
        return { client_id: clientId, client_secret: clientSecret };
    }
    tokens() { return this.kept; }
    saveTokens(tokens) { this.kept = tokens; }
    saveCodeVerifier(verifier) { this.verifier = verifier; }
    codeVerifier() { return this.verifier; }
    async redirectToAuthorization(url) {
        this.code = (await (await watched(url)).json()).code;
    }
}

async function connect(client, person, tries) {
    const transport = new StreamableHTTPClientTransport(new URL(url), {
        authProvider: person, fetch: watched
    });
    try {
        await client.connect(transport);
        await client.listTools();
    } catch (error) {
        if (!(error instanceof UnauthorizedError) || !person || !tries) {
            throw error;
        }
        await transport.finishAuth(person.code);
        await client.close();
        return connect(client, person, tries - 1);
    }
}

const out = { requests };
try {
    const client = new Client({ name: 'test', version: '1.0.0' });
    await connect(client, clientId ? new Person() : undefined, 2);
    out.tools = (await client.listTools()).tools.map((tool) => tool.name);
    const result = await client.callTool({ name: 'whoami' });
    out.headers = JSON.parse(result.content[0].text);
    await client.close();
} catch (error) {
    out.error = String(error);
}
console.log(JSON.stringify(out));
