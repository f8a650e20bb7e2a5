#include "probe/connection.hpp"

#include <utility>

namespace sluice::probe {

Deadlines::Deadlines(boost::asio::any_io_executor executor)
    : Agenda(std::move(executor), [](Connection* connection) { connection->time_out(); }) {}

void Connection::expires_at(Deadlines::Time deadline) {
  if (deadline == deadline_) return;
  deadlines_.remove(deadline_, this);
  deadline_ = deadline;
  deadlines_.add(deadline_, this);
}

void Connection::time_out() {
  timed_out_ = true;
  close();
}

void Connection::close() {
  deadlines_.remove(std::exchange(deadline_, Deadlines::Time::max()), this);
  boost::system::error_code ignored;
  socket_.close(ignored);
}

}  // namespace sluice::probe
