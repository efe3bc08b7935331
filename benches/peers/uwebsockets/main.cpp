// A broadcast server on uWebSockets as its authors show it: each connection subscribes to the topic of
// its room, and a message is published there, which leaves its sender out. In /echo it is sent back.
//   uwebsockets-peer PORT     One thread, epoll, no TLS, no compression.
#include <cstdio>
#include <cstdlib>
#include <string>

#include "App.h"

struct Session {
  std::string room;
  bool echoes;
};

int main(int argc, char **argv) {
  int port = argc > 1 ? std::atoi(argv[1]) : 9004;
  uWS::App app;
  app.ws<Session>("/*", {
      .compression = uWS::DISABLED,
      .maxPayloadLength = 16 * 1024 * 1024,
      .idleTimeout = 120,
      // A slow reader loses its connection when this much waits for it, as Fanring's default does.
      .maxBackpressure = 16 * 1024 * 1024,
      .closeOnBackpressureLimit = true,
      .upgrade = [](auto *response, auto *request, auto *context) {
        std::string room(request->getUrl());
        bool echoes = room == "/echo";
        response->template upgrade<Session>({std::move(room), echoes},
                                            request->getHeader("sec-websocket-key"),
                                            request->getHeader("sec-websocket-protocol"),
                                            request->getHeader("sec-websocket-extensions"), context);
      },
      .open = [](auto *socket) {
        if (!socket->getUserData()->echoes) socket->subscribe(socket->getUserData()->room);
      },
      .message = [](auto *socket, std::string_view message, uWS::OpCode code) {
        Session *session = socket->getUserData();
        if (session->echoes) {
          socket->send(message, code);
        } else {
          socket->publish(session->room, message, code);
        }
      },
  });
  app.listen("127.0.0.1", port, [port](auto *listening) {
    if (!listening) {
      std::fprintf(stderr, "uwebsockets-peer: can't listen on port %d\n", port);
      std::exit(1);
    }
    std::puts("listening");
  });
  app.run();
}
