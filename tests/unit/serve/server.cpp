#include "server.hpp"

#include <doctest/doctest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>

namespace sluice::serve::test {
namespace {

using namespace std::chrono_literals;

constexpr timeval patience{.tv_sec = 10, .tv_usec = 0};

void append_u16(Message& message, std::size_t value) {
  message.push_back(static_cast<std::uint8_t>(value >> 8));
  message.push_back(static_cast<std::uint8_t>(value));
}

}  // namespace

TcpLimits patient() { return {.idle = 60s, .message = 60s, .write = 60s, .handshake = 60s}; }

Message make_query(std::uint16_t id, std::string_view name, wire::RrType type) {
  Message message;
  append_u16(message, id);
  for (const unsigned word : {0U, 1U, 0U, 0U, 0U}) append_u16(message, word);
  const auto wire_name = wire::Name::parse(name).value();
  message.insert(message.end(), wire_name.wire().begin(), wire_name.wire().end());
  append_u16(message, static_cast<std::uint16_t>(type));
  append_u16(message, 1);
  return message;
}

Message framed(const Message& message) {
  Message result;
  append_u16(result, message.size());
  result.insert(result.end(), message.begin(), message.end());
  return result;
}

std::uint16_t id_of(const Message& message) {
  REQUIRE(message.size() >= wire::header_size);
  return static_cast<std::uint16_t>(message[0] << 8 | message[1]);
}

unsigned rcode_of(const Message& message) {
  REQUIRE(message.size() >= wire::header_size);
  return message[3] & 0xF;
}

unsigned answers_of(const Message& message) {
  REQUIRE(message.size() >= wire::header_size);
  return static_cast<unsigned>(message[6] << 8 | message[7]);
}

SocketAddress loopback(Family family, std::uint16_t port) {
  return {parse_address(family == Family::v4 ? "127.0.0.1" : "::1").value(), port};
}

Server::Server(const std::vector<std::string>& addresses, unsigned workers, const TcpLimits& limits,
               const Published<Certificate>* certificates) {
  for (const std::string& text : addresses) {
    const auto address = parse_socket_address(text).value();
    auto listener = certificates != nullptr ? listen_tls(address) : listen(address, workers);
    if (!listener) FAIL(listener.error().message);
    addresses_.push_back(listener->address);
    listeners_.push_back(std::move(*listener));
  }
  publish(1);
  const Context context{published_, quiescence_, counters_};
  if (certificates == nullptr) udp_ = std::make_unique<UdpServer>(context, listeners_, workers);
  tcp_ = std::make_unique<TcpServer>(context, listeners_, limits, certificates);
}

void Server::publish(std::uint8_t last_octet, std::shared_ptr<const zone::Zone> zone) {
  auto block = std::make_shared<steer::Block>(quiescence_, 1);
  const auto name = wire::Name::parse("a.test").value();
  const auto offset = block->add_name(name);
  const steer::Candidate candidate{.destination = Address{Family::v4, {192, 0, 2, last_octet}}};
  REQUIRE(block->publish_pool("v1", {&candidate, 1}));
  const double weight = 1;
  REQUIRE(block->publish_table(
      offset, {.name = name, .pools = {{.pool = "v1"}}, .layout = steer::lay_out({&weight, 1}), .ttl = 60}));

  auto snapshot = std::make_shared<answer::Snapshot>();
  if (zone) {
    snapshot->transfers[zone.get()].push_back(
        {.address = parse_prefix("127.0.0.0/8").value(), .key = {}, .key_at = {}});
    snapshot->zones = zone::ZoneSet({std::move(zone)});
  }
  snapshot->block = std::move(block);
  snapshot->pairs = std::make_shared<steer::PairTable>();
  published_.publish(std::move(snapshot));
}

Client::Client(Family family, int type)
    : socket_(::socket(family == Family::v4 ? AF_INET : AF_INET6, type, 0)) {
  REQUIRE(fd() >= 0);
  REQUIRE(setsockopt(fd(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) == 0);
  REQUIRE(setsockopt(fd(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience) == 0);
}

Client::Client(const SocketAddress& server, int type) : Client(server.address.family, type) {
  const SystemAddress system(server);
  REQUIRE(connect(fd(), system.get(), system.size) == 0);
}

bool Client::send(const Message& bytes) {
  std::size_t sent = 0;
  while (sent < bytes.size()) {
    const auto size = ::send(fd(), bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
    if (size < 0) return false;
    sent += static_cast<std::size_t>(size);
  }
  return true;
}

void Client::send_to(const SocketAddress& server, const Message& bytes) {
  const SystemAddress system(server);
  const auto size = sendto(fd(), bytes.data(), bytes.size(), 0, system.get(), system.size);
  REQUIRE(size == static_cast<ssize_t>(bytes.size()));
}

void Client::finish_sending() { REQUIRE(shutdown(fd(), SHUT_WR) == 0); }

Message Client::receive(SocketAddress* from) {
  Message message(65'535);
  sockaddr_storage peer{};
  socklen_t peer_size = sizeof peer;
  const auto size =
      recvfrom(fd(), message.data(), message.size(), 0, reinterpret_cast<sockaddr*>(&peer), &peer_size);
  message.resize(size < 0 ? 0 : static_cast<std::size_t>(size));
  if (size >= 0 && from != nullptr) *from = from_system(reinterpret_cast<const sockaddr*>(&peer));
  return message;
}

bool Client::read_all(std::uint8_t* to, std::size_t size) {
  for (std::size_t have = 0; have < size;) {
    const auto got = recv(fd(), to + have, size - have, 0);
    if (got <= 0) return false;
    have += static_cast<std::size_t>(got);
  }
  return true;
}

Message Client::read_message() {
  std::uint8_t prefix[2];
  if (!read_all(prefix, sizeof prefix)) return {};
  Message message(std::size_t{prefix[0]} << 8 | prefix[1]);
  if (!read_all(message.data(), message.size())) return {};
  return message;
}

// The server has closed: not merely silent, which would be EAGAIN after our patience.
bool Client::at_end() {
  std::uint8_t octet;
  const auto size = recv(fd(), &octet, 1, 0);
  return size == 0 || (size < 0 && errno == ECONNRESET);
}

}  // namespace sluice::serve::test
