#include "serve/connection.hpp"

#include <utility>

namespace sluice::serve {

Connection::Connection(Connections& all_of_them, Stream::Socket socket, const answer::Client& from,
                       Admission::Place admitted)
    : all(all_of_them), stream(std::move(socket)), client(from), place(std::move(admitted)) {
  all.set_idle(*this);
}

Connection::~Connection() { all.memory_ -= memory; }

void Connection::close() {
  stream.close();
  unlink();
  place.reset();
  transfer.reset();
  all.memory_ -= std::exchange(memory, 0);
}

void Connections::set_idle(Connection& connection) {
  connection.unlink();
  idle_.push_back(connection);
}

void Connections::set_busy(Connection& connection) {
  connection.unlink();
  busy_.push_back(connection);
}

void Connections::count_memory(Connection& connection, std::size_t more) {
  memory_ -= connection.memory;
  connection.memory = connection.input.memory() + connection.output.capacity() + more;
  memory_ += connection.memory;
  for (auto next = busy_.begin(); memory_ > memory_max_ && next != busy_.end();) {
    Connection& other = *next++;
    if (&other != &connection) other.close();
  }
}

bool Connections::displace_one() {
  List& list = idle_.empty() ? busy_ : idle_;
  if (list.empty()) return false;
  list.front().close();
  return true;
}

void Connections::close_due(Clock::time_point now) {
  for (List* list : {&idle_, &busy_})
    for (auto next = list->begin(); next != list->end();) {
      Connection& connection = *next++;
      if (connection.deadline <= now) connection.close();
    }
}

void Connections::close_all() {
  for (List* list : {&idle_, &busy_})
    while (!list->empty()) list->front().close();
}

}  // namespace sluice::serve
