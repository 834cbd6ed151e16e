// Licensed under the Apache License, Version 2.0; see LICENSE.
// An MCP server without any idea of tokens: it believes the headers that httpd
// sets. Prints its port and serves until its standard input ends.
import http from 'node:http';
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js';
import { StreamableHTTPServerTransport }
    from '@modelcontextprotocol/sdk/server/streamableHttp.js';

function create() {
    const mcp = new McpServer({ name: 'orders', version: '1.0.0' });
    mcp.registerTool('whoami', { description: 'Who is asking' }, (extra) => ({
        content: [{ type: 'text', text: JSON.stringify(extra.requestInfo.headers) }]
    }));
    return mcp;
}

const server = http.createServer(async (req, res) => {
    if (req.method !== 'POST') {  // no stream of its own: nothing to stay open
        res.writeHead(405, { Allow: 'POST' }).end();
        return;
    }
    const transport = new StreamableHTTPServerTransport({
        sessionIdGenerator: undefined
    });
    res.on('close', () => transport.close());
    await create().connect(transport);
    await transport.handleRequest(req, res);
});
server.listen(0, '127.0.0.1', () => console.log(server.address().port));
process.stdin.resume().on('end', () => process.exit(0));
