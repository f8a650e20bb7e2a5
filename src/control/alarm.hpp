// Timers of the control thread that call back.
#pragma once

#include <chrono>
#include <functional>
#include <memory>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/basic_waitable_timer.hpp>

namespace sluice::control {

// Calls `ring` on its executor once for each set_at() or set_after(), unless it is set anew or cleared
// before: also when its time had come then, but its turn had not. Not thread-safe: the executor's thread's;
// may be destroyed at any time there, and elsewhere when the executor runs no more.
template <class Clock>
class Alarm {
 public:
  Alarm(const boost::asio::any_io_executor& executor, std::function<void()> ring);
  ~Alarm();
  Alarm(const Alarm&) = delete;
  Alarm& operator=(const Alarm&) = delete;

  void set_at(typename Clock::time_point time);
  void set_after(typename Clock::duration time) { set_at(Clock::now() + time); }
  void clear();

 private:
  struct Bell {
    std::function<void()> ring;
    unsigned turn = 0;  // what was set before is over
  };

  boost::asio::basic_waitable_timer<Clock> timer_;
  std::shared_ptr<Bell> bell_;  // lives as long as it rings
};

// Follows the wall clock when that is set.
using WallAlarm = Alarm<std::chrono::system_clock>;
using SteadyAlarm = Alarm<std::chrono::steady_clock>;

extern template class Alarm<std::chrono::system_clock>;
extern template class Alarm<std::chrono::steady_clock>;

}  // namespace sluice::control
