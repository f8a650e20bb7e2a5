#include "transports.hpp"

#include <stdexcept>

#include <sys/socket.h>
#include <sys/time.h>

#include "../support/tls_client.hpp"

namespace sluice::query_cases {
namespace {

using Octets = std::vector<std::uint8_t>;

// A failure and not a hang, however slow the machine.
constexpr timeval patience{.tv_sec = 20, .tv_usec = 0};

void require(bool done, const char* what) {
  if (!done) throw std::runtime_error(std::string("the transports: ") + what);
}

serve::Descriptor connected(const SocketAddress& server, int type) {
  serve::Descriptor socket(::socket(AF_INET, type | SOCK_CLOEXEC, 0));
  const serve::SystemAddress system(server);
  require(setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) == 0 &&
              setsockopt(socket.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience) == 0 &&
              connect(socket.get(), system.get(), system.size) == 0,
          "cannot connect");
  return socket;
}

std::uint16_t id_of(const Octets& message) {
  return message.size() < 2 ? 0 : static_cast<std::uint16_t>(message[0] << 8 | message[1]);
}

// A query that always has a reply. It follows the case's own on the same way and is answered after it, so
// that there is no need to wait for what does not come.
Octets last_query(const Octets& message) {
  const auto id = static_cast<std::uint16_t>(~id_of(message));
  return {static_cast<std::uint8_t>(id >> 8),
          static_cast<std::uint8_t>(id),
          0,
          0,
          0,
          1,
          0,
          0,
          0,
          0,
          0,
          0,
          0,
          0,
          2,
          0,
          1};
}

// `next` reads a message.
template <class Next>
Octets first_before(std::uint16_t last_id, Next next) {
  Octets first, message = next();
  for (; id_of(message) != last_id; message = next()) {
    require(!message.empty(), "a reply is missing");
    if (first.empty()) first = message;
  }
  return first;
}

Octets ask_udp(const SocketAddress& server, const Octets& message) {
  const auto socket = connected(server, SOCK_DGRAM);
  const auto last = last_query(message);
  for (const auto* query : {&message, &last})
    require(send(socket.get(), query->data(), query->size(), 0) == static_cast<ssize_t>(query->size()),
            "send");
  return first_before(id_of(last), [&] {
    Octets reply(wire::message_size_max);
    const auto size = recv(socket.get(), reply.data(), reply.size(), 0);
    reply.resize(size < 0 ? 0 : static_cast<std::size_t>(size));
    return reply;
  });
}

Octets framed(const Octets& first, const Octets& second) {
  Octets stream;
  for (const auto* message : {&first, &second}) {
    stream.push_back(static_cast<std::uint8_t>(message->size() >> 8));
    stream.push_back(static_cast<std::uint8_t>(message->size()));
    stream.insert(stream.end(), message->begin(), message->end());
  }
  return stream;
}

// `read_all` fills a span or returns false.
template <class ReadAll>
Octets read_message(ReadAll read_all) {
  Octets prefix(2);
  if (!read_all(prefix)) return {};
  Octets message(std::size_t{prefix[0]} << 8 | prefix[1]);
  return read_all(message) ? message : Octets{};
}

Octets ask_tcp(const SocketAddress& server, const Octets& message) {
  const auto socket = connected(server, SOCK_STREAM);
  const auto last = last_query(message);
  const auto stream = framed(message, last);
  require(
      send(socket.get(), stream.data(), stream.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(stream.size()),
      "send");
  const auto read_all = [&](Octets& octets) {
    return recv(socket.get(), octets.data(), octets.size(), MSG_WAITALL) ==
           static_cast<ssize_t>(octets.size());
  };
  return first_before(id_of(last), [&] { return read_message(read_all); });
}

Octets ask_tls(const SocketAddress& server, const Octets& message) {
  const auto socket = connected(server, SOCK_STREAM);
  sluice::test::TlsClient tls(socket.get(), {.alpn = "\3dot"});
  require(tls.connected(), "no TLS");
  const auto last = last_query(message);
  require(tls.write(framed(message, last)), "send");
  const auto read_all = [&](Octets& octets) { return tls.read_all(octets); };
  return first_before(id_of(last), [&] { return read_message(read_all); });
}

std::vector<serve::Listener> listening(Result<serve::Listener> listener) {
  std::vector<serve::Listener> listeners;
  listeners.push_back(std::move(listener).value());
  return listeners;
}

}  // namespace

Transports::Transports(const serve::Context& context) {
  const SocketAddress any_port = parse_socket_address("127.0.0.1:0").value();
  const sluice::test::CertificateFiles files(sluice::test::make_certificate("ns1.test"));
  certificate_.publish(serve::load_certificate(files.certificate(), files.key()).certificate);
  listeners_ = listening(serve::listen(any_port, 1));
  tls_listeners_ = listening(serve::listen_tls(any_port));
  address_ = listeners_[0].address;
  tls_address_ = tls_listeners_[0].address;
  udp_ = std::make_unique<serve::UdpServer>(context, listeners_, 1);
  tcp_ = std::make_unique<serve::TcpServer>(context, listeners_);
  tls_ = std::make_unique<serve::TcpServer>(context, tls_listeners_, serve::TcpLimits{}, &certificate_);
}

Octets Transports::ask(answer::Transport transport, const Octets& message) {
  switch (transport) {
    case answer::Transport::udp:
      return ask_udp(address_, message);
    case answer::Transport::tcp:
      return ask_tcp(address_, message);
    case answer::Transport::tls:
      return ask_tls(tls_address_, message);
  }
  return {};
}

}  // namespace sluice::query_cases
