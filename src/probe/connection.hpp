// A TCP connection that is closed when its time is over; whatever waits on it then ends with an error.
#pragma once

#include <utility>

#include <boost/asio/ip/tcp.hpp>

#include "probe/agenda.hpp"

namespace sluice::probe {

class Connection;

// When which connection is closed.
class Deadlines : public Agenda<Connection*> {
 public:
  explicit Deadlines(boost::asio::any_io_executor executor);
};

class Connection {
 public:
  Connection(const boost::asio::any_io_executor& executor, Deadlines deadlines)
      : deadlines_(std::move(deadlines)), socket_(executor) {}
  ~Connection() { close(); }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  boost::asio::ip::tcp::socket& socket() { return socket_; }

  // In place of the deadline before.
  void expires_at(Deadlines::Time deadline);
  void time_out();
  bool timed_out() const { return timed_out_; }

  void close();

 private:
  Deadlines deadlines_;
  boost::asio::ip::tcp::socket socket_;
  Deadlines::Time deadline_ = Deadlines::Time::max();  // that: none
  bool timed_out_ = false;
};

}  // namespace sluice::probe
