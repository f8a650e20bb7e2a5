#include "serve/tcp.hpp"

#include <algorithm>
#include <deque>
#include <exception>
#include <thread>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/intrusive/list.hpp>

#include "serve/admission.hpp"
#include "serve/framing.hpp"
#include "serve/thread.hpp"

namespace sluice::serve {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;
using Clock = std::chrono::steady_clock;

constexpr auto token = asio::as_tuple(asio::use_awaitable);

// Replies are collected up to here, then written: few system calls for a pipelining client, and a bound on
// what one costs.
constexpr std::size_t output_bytes_max = 16 * 1024;

// After an accept() that failed for lack of descriptors or memory: long enough not to spin, short against any
// client's patience.
constexpr std::chrono::milliseconds accept_pause{100};

// Between two looks at the deadlines. At the longest a second, so that an idle server lets old snapshots go.
constexpr std::chrono::milliseconds tick_min{10}, tick_max{1000};

std::chrono::milliseconds tick_interval(const TcpLimits& limits) {
  return std::clamp(std::min({limits.idle, limits.message, limits.write}) / 8, tick_min, tick_max);
}

// Unlinks itself from the list of all when it ends.
using ListHook = boost::intrusive::list_base_hook<boost::intrusive::link_mode<boost::intrusive::auto_unlink>>;

struct Connection : ListHook {
  Connection(tcp::socket accepted, const Address& from, Admission::Place admitted)
      : socket(std::move(accepted)), client{from, answer::Transport::tcp}, place(std::move(admitted)) {}

  tcp::socket socket;
  const answer::Client client;
  const Admission::Place place;
  MessageStream input;
  std::vector<std::uint8_t> output;  // replies with their length prefixes
  Clock::time_point deadline = Clock::time_point::max();
  bool begun = false;  // `deadline` is that of a message of which only the beginning is there
};

using Connections = boost::intrusive::list<Connection, boost::intrusive::constant_time_size<false>>;

// What is to be done after the replies have been written.
enum class Next : std::uint8_t { read, answer, close };

}  // namespace

// All but the constructor and the destructor runs on the one thread.
class TcpServer::Implementation {
 public:
  Implementation(const Context& context, std::vector<Listener>& listeners, const TcpLimits& limits);
  ~Implementation();

 private:
  asio::awaitable<void> accept(tcp::acceptor& acceptor);
  void admit(tcp::socket socket, const Address& client);
  asio::awaitable<void> serve(std::unique_ptr<Connection> connection);
  asio::awaitable<bool> answer_and_write(Connection& connection);
  asio::awaitable<void> tick();
  void set_read_deadline(Connection& connection) const;
  Next answer_received(Connection& connection);
  void append_reply(Connection& connection, const answer::Snapshot* snapshot, wire::Bytes query);
  void stop();

  const TcpLimits limits_;
  Quiescence::Reader quiescence_;
  Published<answer::Snapshot>::Reader snapshot_;
  answer::Scratch scratch_;
  std::vector<std::uint8_t> reply_;  // room for any one reply
  Admission admission_;
  Connections connections_;
  bool stopping_ = false;
  asio::io_context io_{1};
  asio::steady_timer timer_{io_};
  std::deque<tcp::acceptor> acceptors_;
  std::thread thread_;  // last: it uses all of the above
};

TcpServer::Implementation::Implementation(const Context& context, std::vector<Listener>& listeners,
                                          const TcpLimits& limits)
    : limits_(limits),
      quiescence_(context.quiescence),
      snapshot_(context.published),
      scratch_(context.counters.add_shard(), random_seed()),
      reply_(wire::message_size_max),
      admission_(limits.connections, limits.client_connections) {
  for (Listener& listener : listeners) {
    const bool v4 = listener.address.address.family == Family::v4;
    acceptors_.emplace_back(io_, v4 ? tcp::v4() : tcp::v6(), listener.tcp.release());
    asio::co_spawn(io_, accept(acceptors_.back()), asio::detached);
  }
  asio::co_spawn(io_, tick(), asio::detached);
  thread_ = start_thread("tcp", [this] { io_.run(); });
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
  for (auto& connection : connections_) connection.socket.close(ignored);
  timer_.cancel();
}

// Never ends before the server does, whatever accept() says.
asio::awaitable<void> TcpServer::Implementation::accept(tcp::acceptor& acceptor) {
  asio::steady_timer pause(io_);
  while (!stopping_) {
    tcp::endpoint from;
    auto [error, socket] = co_await acceptor.async_accept(from, token);
    if (!error) {
      admit(std::move(socket), from_system(from.data()).address);
    } else if (!stopping_ && error != asio::error::connection_aborted) {
      pause.expires_after(accept_pause);
      co_await pause.async_wait(token);
    }
  }
}

// A connection that is not admitted is closed by going out of scope.
void TcpServer::Implementation::admit(tcp::socket socket, const Address& client) try {
  auto place = admission_.enter(client);
  scratch_.counters.add(place ? Metric::tcp_connections : Metric::tcp_connections_refused);
  if (!place || stopping_) return;
  error_code ignored;
  socket.set_option(tcp::no_delay(true),
                    ignored);  // a reply is whole: nothing follows that it should wait for
  auto connection = std::make_unique<Connection>(std::move(socket), client, std::move(*place));
  connections_.push_back(*connection);
  asio::co_spawn(io_, serve(std::move(connection)), asio::detached);
} catch (const std::exception&) {
  scratch_.counters.add(Metric::tcp_connections_refused);  // no memory for it: as good as over the limit
}

asio::awaitable<void> TcpServer::Implementation::serve(std::unique_ptr<Connection> connection) {
  do {
    set_read_deadline(*connection);
    const auto space = connection->input.space();
    const auto [error, size] =
        co_await connection->socket.async_read_some(asio::buffer(space.data(), space.size()), token);
    if (error) co_return;
    connection->input.received(size);
  } while (co_await answer_and_write(*connection));
}

// More octets of the same message do not extend its time.
void TcpServer::Implementation::set_read_deadline(Connection& connection) const {
  const bool begun = connection.input.incomplete();
  if (!begun) connection.deadline = Clock::now() + limits_.idle;
  if (begun && !connection.begun) connection.deadline = Clock::now() + limits_.message;
  connection.begun = begun;
}

// False when the connection is to be closed.
asio::awaitable<bool> TcpServer::Implementation::answer_and_write(Connection& connection) {
  for (;;) {
    const Next next = answer_received(connection);
    if (!connection.output.empty()) {
      connection.deadline = Clock::now() + limits_.write;
      const auto [error, size] =
          co_await asio::async_write(connection.socket, asio::buffer(connection.output), token);
      if (error) co_return false;
      connection.output.clear();
      if (connection.output.capacity() > MessageStream::usual_bytes) connection.output.shrink_to_fit();
    }
    switch (next) {
      case Next::read:
        co_return true;
      case Next::answer:
        break;
      case Next::close:
        co_return false;
    }
  }
}

Next TcpServer::Implementation::answer_received(Connection& connection) {
  const answer::Snapshot* snapshot = snapshot_.current();
  const Quiescence::Section section(quiescence_);
  scratch_.now = moment_now();
  while (connection.output.size() < output_bytes_max) {
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
  scratch_.counters.add(Metric::queries_tcp);
  if (snapshot == nullptr) return scratch_.counters.add(Metric::dropped);
  const std::size_t size = answer::answer(*snapshot, scratch_, connection.client, query, reply_);
  if (size == 0) return;
  auto& output = connection.output;
  output.push_back(static_cast<std::uint8_t>(size >> 8));
  output.push_back(static_cast<std::uint8_t>(size));
  output.insert(output.end(), reply_.begin(), reply_.begin() + static_cast<std::ptrdiff_t>(size));
}

// Also lets an old snapshot go when no query comes.
asio::awaitable<void> TcpServer::Implementation::tick() {
  const auto interval = tick_interval(limits_);
  while (!stopping_) {
    timer_.expires_after(interval);
    co_await timer_.async_wait(token);
    snapshot_.current();
    const auto now = Clock::now();
    error_code ignored;
    for (Connection& connection : connections_)
      if (connection.deadline <= now) connection.socket.close(ignored);
  }
}

TcpServer::TcpServer(const Context& context, std::vector<Listener>& listeners, const TcpLimits& limits)
    : implementation_(std::make_unique<Implementation>(context, listeners, limits)) {}

TcpServer::~TcpServer() = default;

}  // namespace sluice::serve
