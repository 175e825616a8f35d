// ws (npm) as its manual shows it: a loop over the clients.
const { WebSocketServer } = require('ws');
const http = require('http');
const server = http.createServer((request, response) => {
  const parts = [];
  request.on('data', (part) => parts.push(part));
  request.on('end', () => {
    const text = Buffer.concat(parts);
    for (const client of sockets.clients) client.send(text, { binary: false });
    response.end('ok');
  });
});
const sockets = new WebSocketServer({ server, path: '/ws' });
server.listen(Number(process.env.PORT), '127.0.0.1', 4096);
