#include "support.hpp"

#include <cstdlib>
#include <cstring>
#include <stdexcept>

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <boost/asio/post.hpp>
#include <boost/json.hpp>

namespace sluice::admin {
namespace {

void require(bool done, const char* what) {
  if (!done) throw std::runtime_error(fmt::format("{}: {}", what, std::strerror(errno)));
}

void limit_silence(int descriptor) {
  timeval limit{};
  limit.tv_sec = 10;
  require(::setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) == 0, "SO_RCVTIMEO");
  require(::setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit) == 0, "SO_SNDTIMEO");
}

template <class Address>
int connected(int family, const Address& address) {
  const int descriptor = ::socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  require(descriptor >= 0, "socket");
  limit_silence(descriptor);
  require(::connect(descriptor, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0, "connect");
  return descriptor;
}

std::string_view words_of(control::CommandId id) {
  for (const auto& row : control::commands())
    if (row.id == id) return row.words;
  return "";
}

std::size_t content_length(const std::string& head) {
  const auto at = head.find("Content-Length: ");
  return at == std::string::npos ? 0 : std::strtoul(head.c_str() + at + 16, nullptr, 10);
}

}  // namespace

Folder::Folder() {
  auto name = (std::filesystem::temp_directory_path() / "sluice-admin-XXXXXX").string();
  require(::mkdtemp(name.data()) != nullptr, "mkdtemp");
  path_ = name;
}

Folder::~Folder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

void echo(const control::Request& request, const control::ReplyHandler& handler) {
  handler(boost::json::value{{"words", words_of(request.id)},
                             {"arguments", request.arguments},
                             {"who", request.who},
                             {"dry_run", request.dry_run}});
}

RunningServer::RunningServer(Dispatch dispatch, Limits limits)
    : server_(context_.get_executor(), std::move(dispatch), limits) {
  if (auto bound = server_.listen_unix(socket()); !bound) throw std::runtime_error(bound.error().message);
  if (auto bound = server_.listen_tcp({*parse_address("127.0.0.1"), 0}); !bound)
    throw std::runtime_error(bound.error().message);
  port_ = server_.tcp_address()->port;
  server_.start();
  thread_ = std::thread([this] { context_.run(); });
}

RunningServer::~RunningServer() { stop(); }

void RunningServer::stop() {
  boost::asio::post(context_, [this] { server_.stop(); });
  if (thread_.joinable()) thread_.join();
}

Client::Client(const std::string& socket) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, socket.data(), socket.size());
  descriptor_ = connected(AF_UNIX, address);
}

Client::Client(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  descriptor_ = connected(AF_INET, address);
}

Client::~Client() { ::close(descriptor_); }

void Client::send(std::string_view octets) {
  while (!octets.empty()) {
    const auto sent = ::send(descriptor_, octets.data(), octets.size(), MSG_NOSIGNAL);
    if (sent <= 0) return;
    octets.remove_prefix(static_cast<std::size_t>(sent));
  }
}

void Client::finish_sending() { ::shutdown(descriptor_, SHUT_WR); }

bool Client::fill() {
  char buffer[4096];
  const auto size = ::recv(descriptor_, buffer, sizeof buffer, 0);
  if (size <= 0) return false;
  unread_.append(buffer, static_cast<std::size_t>(size));
  return true;
}

RawReply Client::receive(bool to_head) {
  std::size_t end = 0;
  while ((end = unread_.find("\r\n\r\n")) == std::string::npos)
    if (!fill()) return {};
  RawReply reply;
  reply.head = unread_.substr(0, end + 4);
  unread_.erase(0, end + 4);
  reply.status = std::atoi(reply.head.c_str() + std::strlen("HTTP/1.1 "));
  const auto size = to_head ? 0 : content_length(reply.head);
  while (unread_.size() < size)
    if (!fill()) return {};
  reply.body = unread_.substr(0, size);
  unread_.erase(0, size);
  return reply;
}

bool Client::at_end() {
  char octet;
  return unread_.empty() && ::recv(descriptor_, &octet, 1, 0) == 0;
}

RawReply Client::ask(std::string_view method, std::string_view target, std::string_view body) {
  send(fmt::format("{} {} HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n{}", method, target, body.size(),
                   body));
  return receive(method == "HEAD");
}

}  // namespace sluice::admin
