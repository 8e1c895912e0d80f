"""`/mcp`: the product as tools of agents. The SDK is imported with the first request: it costs a second and 30 MB."""
