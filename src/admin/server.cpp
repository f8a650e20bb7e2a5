#include "admin/server.hpp"

#include <list>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <pwd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ip/v6_only.hpp>
#include <boost/asio/local/stream_protocol.hpp>

#include "admin/connection.hpp"
#include "admin/unix_socket.hpp"
#include "base/as_result.hpp"
#include "base/log.hpp"

namespace sluice::admin {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;
using Local = asio::local::stream_protocol;

// When accept() fails, descriptors or memory are short: wait for some to come back instead of spinning.
constexpr auto accept_pause = std::chrono::milliseconds(100);

// What getpwuid_r() may need for one entry; a longer one is shown by its number.
constexpr std::size_t password_entry_size_max = 16384;

std::string user_name(uid_t uid) {
  std::vector<char> buffer(password_entry_size_max);
  passwd entry{};
  passwd* found = nullptr;
  if (::getpwuid_r(uid, &entry, buffer.data(), buffer.size(), &found) == 0 && found) return found->pw_name;
  return fmt::format("uid {}", uid);
}

// Who is at the other end. The kernel vouches for the user of a Unix socket.
std::string peer_name(Local::socket& socket) {
  ucred credentials{};
  socklen_t size = sizeof credentials;
  if (::getsockopt(socket.native_handle(), SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0)
    return "unknown user";
  return user_name(credentials.uid);
}
std::string peer_name(tcp::socket& socket) {
  error_code error;
  const auto endpoint = socket.remote_endpoint(error);
  return error ? "unknown address" : endpoint.address().to_string();
}

tcp::endpoint to_endpoint(const SocketAddress& address) {
  return {asio::ip::make_address(to_text(address.address)), address.port};
}

Error listen_error(const SocketAddress& address, error_code error) {
  if (error == asio::error::address_in_use)
    return {ErrorCode::refused, fmt::format("{} is in use by another process", to_text(address))};
  return {ErrorCode::unavailable, fmt::format("cannot listen on {}: {}", to_text(address), error.message())};
}

}  // namespace

// A listener's coroutine and the connections keep this alive until they end; stop() makes them.
class Server::Implementation : public std::enable_shared_from_this<Server::Implementation> {
 public:
  Implementation(asio::any_io_executor executor, Dispatch dispatch, Limits limits)
      : executor_(std::move(executor)), dispatch_(std::move(dispatch)), limits_(limits) {}

  Result<void> listen_unix(const std::string& path);
  Result<void> listen_tcp(const SocketAddress& address);
  std::optional<SocketAddress> tcp_address() const;
  void start();
  void stop();

 private:
  using Connections = std::list<std::weak_ptr<Connection>>;

  template <class Protocol>
  struct Listener {
    typename Protocol::acceptor acceptor;
    std::shared_ptr<const Service> service;
    Connections connections;
  };

  std::shared_ptr<const Service> service(bool read_only) const {
    return std::make_shared<Service>(Service{dispatch_, limits_, read_only});
  }
  template <class Protocol>
  static asio::awaitable<void> accept_all(std::shared_ptr<Implementation> self,
                                          std::shared_ptr<Listener<Protocol>> listener);
  template <class Protocol>
  static void begin(std::shared_ptr<Listener<Protocol>> listener, typename Protocol::socket socket);
  template <class Protocol>
  static asio::awaitable<void> converse(std::shared_ptr<Listener<Protocol>> listener,
                                        std::shared_ptr<Connection> connection, Connections::iterator entry);
  template <class Protocol>
  static void close(Listener<Protocol>& listener);

  asio::any_io_executor executor_;
  Dispatch dispatch_;
  Limits limits_;
  std::vector<UnixListener> socket_files_;
  std::vector<std::shared_ptr<Listener<Local>>> local_;
  std::vector<std::shared_ptr<Listener<tcp>>> tcp_;
};

Result<void> Server::Implementation::listen_unix(const std::string& path) {
  auto file = UnixListener::open(path);
  if (!file) return file.error();
  auto listener =
      std::make_shared<Listener<Local>>(Listener<Local>{Local::acceptor(executor_), service(false), {}});
  error_code error;
  const int descriptor = file->release();
  listener->acceptor.assign(Local(), descriptor, error);
  if (error) {
    ::close(descriptor);
    file->remove_file();
    return Error{ErrorCode::unavailable, fmt::format("{}: {}", path, error.message())};
  }
  socket_files_.push_back(*std::move(file));
  local_.push_back(std::move(listener));
  return {};
}

Result<void> Server::Implementation::listen_tcp(const SocketAddress& address) {
  const auto endpoint = to_endpoint(address);
  tcp::acceptor acceptor(executor_);
  error_code error;
  acceptor.open(endpoint.protocol(), error);
  if (!error) acceptor.set_option(tcp::acceptor::reuse_address(true), error);
  // [::] is IPv6 alone, as for the DNS listeners: 0.0.0.0 may be listed beside it.
  if (!error && endpoint.address().is_v6()) acceptor.set_option(asio::ip::v6_only(true), error);
  if (!error) acceptor.bind(endpoint, error);
  if (!error) acceptor.listen(asio::socket_base::max_listen_connections, error);
  if (error) return listen_error(address, error);
  tcp_.push_back(std::make_shared<Listener<tcp>>(Listener<tcp>{std::move(acceptor), service(true), {}}));
  return {};
}

std::optional<SocketAddress> Server::Implementation::tcp_address() const {
  error_code error;
  if (tcp_.empty()) return std::nullopt;
  const auto endpoint = tcp_.back()->acceptor.local_endpoint(error);
  const auto address = parse_address(endpoint.address().to_string());
  if (error || !address) return std::nullopt;
  return SocketAddress{*address, endpoint.port()};
}

void Server::Implementation::start() {
  for (const auto& listener : local_)
    asio::co_spawn(executor_, accept_all<Local>(shared_from_this(), listener), asio::detached);
  for (const auto& listener : tcp_)
    asio::co_spawn(executor_, accept_all<tcp>(shared_from_this(), listener), asio::detached);
}

template <class Protocol>
asio::awaitable<void> Server::Implementation::accept_all(std::shared_ptr<Implementation> self,
                                                         std::shared_ptr<Listener<Protocol>> listener) {
  asio::steady_timer pause(self->executor_);
  while (listener->acceptor.is_open()) {
    auto [error, socket] = co_await listener->acceptor.async_accept(as_result);
    if (!listener->acceptor.is_open()) co_return;  // stopped while this one was on its way
    if (!error) {
      begin(listener, std::move(socket));
    } else {
      logger().warn("admin: cannot accept a connection: {}", error.message());
      pause.expires_after(accept_pause);
      co_await pause.async_wait(as_result);
    }
  }
}

// Over the limit the connection is closed at once: the client sees that, and the ones we have are served.
template <class Protocol>
void Server::Implementation::begin(std::shared_ptr<Listener<Protocol>> listener,
                                   typename Protocol::socket socket) {
  if (listener->connections.size() >= listener->service->limits.connections_max) return;
  const auto executor = socket.get_executor();
  auto who = peer_name(socket);
  auto connection = std::make_shared<Connection>(std::move(socket), std::move(who), listener->service);
  const auto entry = listener->connections.insert(listener->connections.end(), connection);
  asio::co_spawn(executor, converse<Protocol>(std::move(listener), std::move(connection), entry),
                 asio::detached);
}

template <class Protocol>
asio::awaitable<void> Server::Implementation::converse(std::shared_ptr<Listener<Protocol>> listener,
                                                       std::shared_ptr<Connection> connection,
                                                       Connections::iterator entry) {
  co_await Connection::run(std::move(connection));
  listener->connections.erase(entry);
}

template <class Protocol>
void Server::Implementation::close(Listener<Protocol>& listener) {
  error_code ignored;
  listener.acceptor.close(ignored);
  for (const auto& weak : listener.connections)
    if (const auto connection = weak.lock()) connection->close();
}

void Server::Implementation::stop() {
  for (auto& file : socket_files_) file.remove_file();
  socket_files_.clear();
  for (const auto& listener : local_) close(*listener);
  for (const auto& listener : tcp_) close(*listener);
}

Server::Server(asio::any_io_executor executor, Dispatch dispatch, Limits limits)
    : implementation_(std::make_shared<Implementation>(std::move(executor), std::move(dispatch), limits)) {}

Server::~Server() { stop(); }

Result<void> Server::listen_unix(const std::string& path) { return implementation_->listen_unix(path); }
Result<void> Server::listen_tcp(const SocketAddress& address) { return implementation_->listen_tcp(address); }
std::optional<SocketAddress> Server::tcp_address() const { return implementation_->tcp_address(); }
void Server::start() { implementation_->start(); }
void Server::stop() { implementation_->stop(); }

}  // namespace sluice::admin
