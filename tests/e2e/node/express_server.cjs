// An MCP server on the TypeScript SDK's own Express app, which answers 403 to a foreign Host.
// node express_server.cjs PLACE PORT    (PLACE: where the programs of npm are)
const { createRequire } = require("node:module");
const { join } = require("node:path");

const [place, port] = process.argv.slice(2);
const load = createRequire(join(place, "package.json"));
const { createMcpExpressApp } = load("@modelcontextprotocol/sdk/server/express.js");
const { McpServer } = load("@modelcontextprotocol/sdk/server/mcp.js");
const { StreamableHTTPServerTransport } = load("@modelcontextprotocol/sdk/server/streamableHttp.js");

const app = createMcpExpressApp();
app.post("/mcp", async (request, response) => {
    const transport = new StreamableHTTPServerTransport({ sessionIdGenerator: undefined });
    await new McpServer({ name: "express", version: "1" }).connect(transport);
    await transport.handleRequest(request, response, request.body);
});
app.listen(Number(port), "127.0.0.1");
