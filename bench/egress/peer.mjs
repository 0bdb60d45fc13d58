/** One peer as a process of its own; it is copied beside the packages that the bench installed. argv: name, port, directory. */
const [name, port, dir] = process.argv.slice(2);

if (name === 'mockttp') {
  const { getLocal, generateCACertificate } = await import('mockttp');
  const https = await generateCACertificate();
  const server = getLocal({ https, http2: 'fallback', recordTraffic: false });
  await server.forAnyRequest().thenPassThrough({ ignoreHostHttpsErrors: true });
  await server.forAnyWebSocket().thenPassThrough({ ignoreHostHttpsErrors: true });
  await server.start(Number(port));
} else {
  const { Proxy } = await import('http-mitm-proxy');
  const proxy = new Proxy();
  proxy.onError(() => undefined);
  proxy.onRequest((context, done) => {
    context.proxyToServerRequestOptions.rejectUnauthorized = false;
    done();
  });
  proxy.onWebSocketConnection((context, done) => {
    context.proxyToServerWebSocketOptions.rejectUnauthorized = false;
    done();
  });
  proxy.listen({ port: Number(port), host: '127.0.0.1', sslCaDir: `${dir}/http-mitm-proxy`, keepAlive: true });
}
process.on('SIGTERM', () => process.exit(0));
