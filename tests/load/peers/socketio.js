// Socket.IO 4 (npm): io.emit, WebSocket only. Readers connect to /socket.io/?EIO=4&transport=websocket and say "40".
const { Server } = require('socket.io');
const http = require('http');
const server = http.createServer((request, response) => {
  if (request.url !== '/pub') return;
  const parts = [];
  request.on('data', (part) => parts.push(part));
  request.on('end', () => {
    io.emit('post', Buffer.concat(parts).toString());
    response.end('ok');
  });
});
const io = new Server(server, { transports: ['websocket'] });
server.listen(Number(process.env.PORT), '127.0.0.1', 4096);
