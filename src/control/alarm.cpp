#include "control/alarm.hpp"

#include <utility>

namespace sluice::control {

template <class Clock>
Alarm<Clock>::Alarm(const boost::asio::any_io_executor& executor, std::function<void()> ring)
    : timer_(executor), bell_(std::make_shared<Bell>(Bell{std::move(ring)})) {}

template <class Clock>
Alarm<Clock>::~Alarm() {
  clear();
}

template <class Clock>
void Alarm<Clock>::set_at(typename Clock::time_point time) {
  timer_.expires_at(time);
  timer_.async_wait([bell = bell_, turn = ++bell_->turn](boost::system::error_code) {
    if (bell->turn == turn) bell->ring();
  });
}

template <class Clock>
void Alarm<Clock>::clear() {
  ++bell_->turn;
  timer_.cancel();
}

template class Alarm<std::chrono::system_clock>;
template class Alarm<std::chrono::steady_clock>;

}  // namespace sluice::control
