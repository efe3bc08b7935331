// A server of STOMP 1.2 behind WebSockets: that of go-stomp, which speaks on plain connections. It ends what was silent
// for two of its heart-beats, and confirms no subscription.
//
//	stomp PORT
package main

import (
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/go-stomp/stomp/v3/server"
	"github.com/gorilla/websocket"
)

// The shortest heart-beat that it agrees to.
const heartBeat = time.Second

// A stream over the messages of a WebSocket, cut wherever its writer flushes.
type stream struct {
	*websocket.Conn
	message io.Reader
}

func (s *stream) Read(bytes []byte) (int, error) {
	for {
		if s.message == nil {
			_, message, err := s.NextReader()
			if err != nil {
				return 0, io.EOF
			}
			s.message = message
		}
		count, err := s.message.Read(bytes)
		if errors.Is(err, io.EOF) {
			s.message, err = nil, nil
		}
		if count > 0 || err != nil {
			return count, err
		}
	}
}

func (s *stream) Write(bytes []byte) (int, error) {
	return len(bytes), s.WriteMessage(websocket.TextMessage, bytes)
}

func (s *stream) SetDeadline(at time.Time) error {
	return errors.Join(s.SetReadDeadline(at), s.SetWriteDeadline(at))
}

// What was upgraded, for whoever accepts connections.
type upgraded chan net.Conn

func (u upgraded) Accept() (net.Conn, error) { return <-u, nil }
func (u upgraded) Close() error              { return nil }
func (u upgraded) Addr() net.Addr            { return &net.TCPAddr{} }

func main() {
	streams := make(upgraded)
	upgrader := websocket.Upgrader{Subprotocols: []string{"v12.stomp"}}
	http.HandleFunc("/ws", func(answer http.ResponseWriter, request *http.Request) {
		socket, err := upgrader.Upgrade(answer, request, nil)
		if err == nil {
			streams <- &stream{Conn: socket}
		}
	})
	go func() { log.Fatal(http.ListenAndServe("127.0.0.1:"+os.Args[1], nil)) }()
	log.Fatal((&server.Server{HeartBeat: heartBeat}).Serve(streams))
}
