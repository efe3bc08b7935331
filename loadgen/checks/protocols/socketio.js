// A server of Socket.IO as its authors show it, which ends what does not answer a ping for a second.
//   node socketio.js PORT
import { createServer } from "node:http";

import { Server } from "socket.io";

const server = createServer();
const io = new Server(server, { pingInterval: 1000, pingTimeout: 1000 });
io.on("connection", (socket) => {
  socket.on("join", (name, done) => {
    socket.join(name);
    socket.data.room = name;
    done();
  });
  socket.on("chat", (text) => socket.to(socket.data.room).emit("chat", text));
});
server.listen(Number(process.argv[2]), "127.0.0.1");
