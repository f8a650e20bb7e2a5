#include "serve/tcp.hpp"

#include <algorithm>
#include <deque>
#include <exception>
#include <optional>
#include <thread>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "base/as_result.hpp"
#include "serve/connection.hpp"
#include "serve/thread.hpp"

namespace sluice::serve {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

// Replies are collected up to here, then written: few system calls for a pipelining client, and a bound on
// what one costs.
constexpr std::size_t output_bytes_max = 16 * 1024;

// After an accept() that failed for lack of descriptors or memory: long enough not to spin, short against any
// client's patience.
constexpr std::chrono::milliseconds accept_pause{100};

// Sockets for UDP, probes, operators and transfers, and files.
constexpr std::size_t other_descriptors = 512;

// Of these at least, however few there are: the store, the threads' events, some operators and probes.
constexpr std::size_t own_descriptors = 32;

// Between two looks at the deadlines. At the longest a second, so that an idle server lets old snapshots go.
constexpr std::chrono::milliseconds tick_min{10}, tick_max{1000};

std::chrono::milliseconds tick_interval(const TcpLimits& limits) {
  return std::clamp(std::min({limits.idle, limits.message, limits.write, limits.handshake}) / 8, tick_min,
                    tick_max);
}

// What OpenSSL and its buffers hold during a handshake, and while a record is not complete; estimates on the
// safe side.
constexpr std::size_t handshake_bytes = 48 * 1024, record_bytes = 17 * 1024;

// What a server counts where.
struct Counted {
  Metric queries, connections, refused, displaced;
};
constexpr Counted counted_tcp{Metric::queries_tcp, Metric::tcp_connections, Metric::tcp_connections_refused,
                              Metric::tcp_connections_displaced};
constexpr Counted counted_tls{Metric::queries_tls, Metric::tls_connections, Metric::tls_connections_refused,
                              Metric::tls_connections_displaced};

// RFC 7828, 3.1: in units of 100 ms.
std::uint16_t idle_timeout(const TcpLimits& limits) {
  return static_cast<std::uint16_t>(std::min<std::int64_t>(limits.idle.count() / 100, 0xFFFF));
}

// Ends with an error when the connection is closed meanwhile, by its deadline or to make room.
auto ready(Connection& connection, Need need) {
  return connection.stream.socket().async_wait(
      need == Need::readable ? tcp::socket::wait_read : tcp::socket::wait_write, as_result);
}

// What is to be done after the replies have been written.
enum class Next : std::uint8_t { read, answer, close };

}  // namespace

// All but the constructor and the destructor runs on the one thread.
class TcpServer::Implementation {
 public:
  Implementation(const Context& context, std::vector<Listener>& listeners, const TcpLimits& limits,
                 const Published<Certificate>* certificates);
  ~Implementation();

 private:
  asio::awaitable<void> accept(tcp::acceptor& acceptor);
  void admit(tcp::socket socket, const Address& client);
  asio::awaitable<void> serve(std::unique_ptr<Connection> connection);
  asio::awaitable<bool> shake_hands(Connection& connection);
  asio::awaitable<bool> receive(Connection& connection);
  void await_message(Connection& connection);
  void await_rest(Connection& connection, std::size_t more_memory);
  asio::awaitable<bool> answer_and_write(Connection& connection);
  Next answer_received(Connection& connection);
  void append_reply(Connection& connection, const answer::Snapshot* snapshot, wire::Bytes query);
  bool append_transferred(Connection& connection);
  void append(Connection& connection, std::size_t size);
  asio::awaitable<bool> write_output(Connection& connection);
  asio::awaitable<void> tick();
  void stop();

  const TcpLimits limits_;
  const Counted counted_;
  Quiescence::Reader quiescence_;
  Published<answer::Snapshot>::Reader snapshot_;
  std::optional<Published<Certificate>::Reader> certificate_;  // DNS over TLS
  answer::Scratch scratch_;
  std::vector<std::uint8_t> reply_;  // room for any one reply
  Admission admission_;
  unsigned transfers_ = 0;  // under way
  Connections connections_;
  bool stopping_ = false;
  asio::io_context io_{1};
  asio::steady_timer timer_{io_};
  std::deque<tcp::acceptor> acceptors_;
  std::thread thread_;  // last: it uses all of the above
};

TcpServer::Implementation::Implementation(const Context& context, std::vector<Listener>& listeners,
                                          const TcpLimits& limits, const Published<Certificate>* certificates)
    : limits_(limits),
      counted_(certificates != nullptr ? counted_tls : counted_tcp),
      quiescence_(context.quiescence),
      snapshot_(context.published),
      scratch_(context.counters.add_shard(), random_seed()),
      reply_(wire::message_size_max),
      admission_(limits.connections, limits.client_connections),
      connections_(limits.memory) {
  if (certificates != nullptr) certificate_.emplace(*certificates);
  for (Listener& listener : listeners) {
    const bool v4 = listener.address.address.family == Family::v4;
    acceptors_.emplace_back(io_, v4 ? tcp::v4() : tcp::v6(), listener.tcp.release()).non_blocking(true);
    asio::co_spawn(io_, accept(acceptors_.back()), asio::detached);
  }
  asio::co_spawn(io_, tick(), asio::detached);
  thread_ = start_thread(certificate_ ? "tls" : "tcp", [this] { io_.run(); });
}

TcpServer::Implementation::~Implementation() {
  asio::post(io_, [this] { stop(); });
  thread_.join();
}

// Everything that waits is woken with an error and ends; then there is nothing left to run.
void TcpServer::Implementation::stop() {
  stopping_ = true;
  error_code ignored;
  for (auto& acceptor : acceptors_) acceptor.close(ignored);
  connections_.close_all();
  timer_.cancel();
}

// Never ends before the server does, whatever accept() says. It is called only when a client waits: without a
// free descriptor it fails even if nobody does, and then a connection would be displaced for nothing.
asio::awaitable<void> TcpServer::Implementation::accept(tcp::acceptor& acceptor) {
  asio::steady_timer pause(io_);
  while (!stopping_) {
    auto [error] = co_await acceptor.async_wait(tcp::acceptor::wait_read, as_result);
    tcp::endpoint from;
    tcp::socket socket(io_);
    if (!error) acceptor.accept(socket, from, error);
    if (!error) {
      admit(std::move(socket), from_system(from.data()).address);
    } else if (!stopping_ && error != asio::error::connection_aborted && error != asio::error::would_block) {
      connections_.displace_one();  // what it needed may be what we lack
      pause.expires_after(accept_pause);
      co_await pause.async_wait(as_result);
    }
  }
}

// A connection that is not admitted is closed by going out of scope. When there are too many in all, the
// newest is the likeliest to be of use: an idle one can be opened again by who needs it (RFC 7766, 6.2.3
// and 6.2.4).
void TcpServer::Implementation::admit(tcp::socket socket, const Address& client) try {
  if (admission_.full() && !admission_.full_of(client) && connections_.displace_one())
    scratch_.counters.add(counted_.displaced);
  auto place = admission_.enter(client);
  scratch_.counters.add(place ? counted_.connections : counted_.refused);
  if (!place || stopping_) return;
  error_code ignored;
  // A reply is whole: nothing follows that it should wait for.
  socket.set_option(tcp::no_delay(true), ignored);
  const answer::Client from{client, certificate_ ? answer::Transport::tls : answer::Transport::tcp,
                            idle_timeout(limits_)};
  auto connection = std::make_unique<Connection>(connections_, std::move(socket), from, std::move(*place));
  asio::co_spawn(io_, serve(std::move(connection)), asio::detached);
} catch (const std::exception&) {
  scratch_.counters.add(counted_.refused);  // no memory for it: as good as over the limit
}

asio::awaitable<void> TcpServer::Implementation::serve(std::unique_ptr<Connection> connection) {
  bool open = !certificate_ || co_await shake_hands(*connection);
  while (open) open = co_await receive(*connection) && co_await answer_and_write(*connection);
  connection->close();
}

// Costs memory only from the client's first octet on. The certificate is the newest.
asio::awaitable<bool> TcpServer::Implementation::shake_hands(Connection& connection) {
  connection.deadline = Clock::now() + limits_.handshake;
  Progress progress{Need::readable};
  while (progress.need == Need::readable || progress.need == Need::writable) {
    if (const auto [error] = co_await ready(connection, progress.need); error) break;
    if (!connection.begun) {
      const Certificate* certificate = certificate_->current();
      if (certificate == nullptr) break;
      connection.stream.start_tls(*certificate);
      connection.begun = true;
      connections_.set_busy(connection);
      connections_.count_memory(connection, handshake_bytes);
    }
    progress = connection.stream.handshake();
  }
  connection.begun = false;
  if (progress.need != Need::nothing) scratch_.counters.add(Metric::tls_handshakes_failed);
  co_return progress.need == Need::nothing;
}

// False when there is nothing more to come.
asio::awaitable<bool> TcpServer::Implementation::receive(Connection& connection) {
  await_message(connection);
  Progress progress{connection.stream.has_unread() ? Need::nothing : Need::readable};
  for (;;) {
    if (progress.need != Need::nothing)
      if (const auto [error] = co_await ready(connection, progress.need); error) co_return false;
    const auto space = connection.input.space();
    progress = connection.stream.read(space);
    if (progress.need == Need::close) co_return false;
    if (progress.need == Need::nothing) break;
    await_rest(connection, record_bytes);  // of a TLS record
  }
  connection.input.received(progress.size);
  co_return true;
}

// An idle connection holds no buffers.
void TcpServer::Implementation::await_message(Connection& connection) {
  if (connection.input.incomplete()) return await_rest(connection, 0);
  connection.begun = false;
  connection.input.release();
  std::vector<std::uint8_t>().swap(connection.output);
  connections_.set_idle(connection);
  connections_.count_memory(connection);
  connection.deadline = Clock::now() + limits_.idle;
}

// More octets of the same message do not extend its time.
void TcpServer::Implementation::await_rest(Connection& connection, std::size_t more_memory) {
  if (!connection.begun) {
    connections_.set_busy(connection);
    connection.deadline = Clock::now() + limits_.message;
  }
  connection.begun = true;
  connections_.count_memory(connection, more_memory);
}

// False when the connection is to be closed.
asio::awaitable<bool> TcpServer::Implementation::answer_and_write(Connection& connection) {
  for (;;) {
    const Next next = answer_received(connection);
    if (!co_await write_output(connection)) co_return false;
    switch (next) {
      case Next::read:
        co_return true;
      case Next::answer:
        co_await asio::post(io_, asio::use_awaitable);  // the others' turn
        break;
      case Next::close:
        co_return false;
    }
  }
}

// False when the client is gone, or did not take it in time.
asio::awaitable<bool> TcpServer::Implementation::write_output(Connection& connection) {
  if (connection.output.empty()) co_return true;
  connection.deadline = Clock::now() + limits_.write;
  connections_.set_busy(connection);
  for (wire::Bytes rest = connection.output; !rest.empty();) {
    const Progress progress = connection.stream.write(rest);
    if (progress.need == Need::close) co_return false;
    if (progress.need == Need::nothing) {
      rest = rest.subspan(progress.size);
      continue;
    }
    connections_.set_busy(connection);
    connections_.count_memory(connection, certificate_ ? record_bytes : 0);
    if (const auto [error] = co_await ready(connection, progress.need); error) co_return false;
  }
  connection.output.clear();
  co_return true;
}

Next TcpServer::Implementation::answer_received(Connection& connection) {
  const Quiescence::Section section(quiescence_);
  const answer::Snapshot* snapshot = snapshot_.current();
  scratch_.now = moment_now();
  while (connection.output.size() < output_bytes_max) {
    if (connection.transfer) {
      if (!append_transferred(connection)) return Next::close;
      continue;
    }
    const auto message = connection.input.next();
    if (!message) return Next::read;
    if (message->empty()) return Next::close;  // no DNS message is empty: this is not a DNS client
    connection.begun = false;
    append_reply(connection, snapshot, *message);
  }
  return Next::answer;
}

void TcpServer::Implementation::append_reply(Connection& connection, const answer::Snapshot* snapshot,
                                             wire::Bytes query) {
  scratch_.counters.add(counted_.queries);
  if (snapshot == nullptr) return scratch_.counters.add(Metric::dropped);
  scratch_.transfers_full = transfers_ >= limits_.transfers;
  const std::size_t size = answer::answer(*snapshot, scratch_, connection.client, query, reply_);
  if (size > 0) append(connection, size);
  if (scratch_.transfer != nullptr)
    connection.transfer = std::make_unique<Ongoing>(
        transfers_, answer::Transfer(snapshot_.held(), scratch_, query), Clock::now() + limits_.transfer);
}

// The next message of a transfer. False when the connection is to be closed before the zone is complete.
bool TcpServer::Implementation::append_transferred(Connection& connection) {
  auto& ongoing = *connection.transfer;
  if (Clock::now() > ongoing.deadline) return false;
  const std::size_t size = ongoing.transfer.next(reply_, scratch_.now);
  const bool finished = ongoing.transfer.finished();
  if (size > 0) append(connection, size);
  if (finished) connection.transfer.reset();
  return size > 0;
}

// The first octets of reply_.
void TcpServer::Implementation::append(Connection& connection, std::size_t size) {
  auto& output = connection.output;
  output.push_back(static_cast<std::uint8_t>(size >> 8));
  output.push_back(static_cast<std::uint8_t>(size));
  output.insert(output.end(), reply_.begin(), reply_.begin() + static_cast<std::ptrdiff_t>(size));
}

// Also lets an old snapshot go when no query comes, and an old certificate.
asio::awaitable<void> TcpServer::Implementation::tick() {
  const auto interval = tick_interval(limits_);
  while (!stopping_) {
    timer_.expires_after(interval);
    co_await timer_.async_wait(as_result);
    snapshot_.current();
    if (certificate_) certificate_->current();
    connections_.close_due(Clock::now());
  }
}

std::size_t connections_within(std::size_t descriptors, std::size_t listening, std::size_t servers) {
  const std::size_t others =
      std::max(std::min(descriptors / 2, other_descriptors), listening + own_descriptors);
  if (others >= descriptors) return 1;
  return std::max<std::size_t>((descriptors - others) / servers, 1);
}

TcpServer::TcpServer(const Context& context, std::vector<Listener>& listeners, const TcpLimits& limits,
                     const Published<Certificate>* certificates)
    : implementation_(std::make_unique<Implementation>(context, listeners, limits, certificates)) {}

TcpServer::~TcpServer() = default;

}  // namespace sluice::serve
