#include "serve/thread.hpp"

#include <chrono>
#include <utility>

#include <pthread.h>
#include <signal.h>
#include <time.h>

#include "base/chance.hpp"

namespace sluice::serve {
namespace {

// A new thread inherits the mask, so it is set here and not in the thread: there is no moment without it.
class SignalsBlocked {
 public:
  SignalsBlocked() {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  ~SignalsBlocked() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  SignalsBlocked(const SignalsBlocked&) = delete;
  SignalsBlocked& operator=(const SignalsBlocked&) = delete;

 private:
  sigset_t before_{};
};

}  // namespace

std::thread start_thread(const char* name, std::function<void()> body) {
  const SignalsBlocked blocked;
  std::thread thread(std::move(body));
  pthread_setname_np(thread.native_handle(), name);
  return thread;
}

answer::Moment moment_now() {
  timespec wall{}, steady{};
  clock_gettime(CLOCK_REALTIME_COARSE, &wall);
  clock_gettime(CLOCK_MONOTONIC_COARSE, &steady);
  return {static_cast<std::uint64_t>(wall.tv_sec), static_cast<std::uint64_t>(steady.tv_sec) * 1'000'000 +
                                                       static_cast<std::uint64_t>(steady.tv_nsec) / 1'000};
}

std::uint64_t random_seed() {
  // Nothing secret depends on it, so a clock will do where the system's generator fails.
  auto seed = static_cast<std::uint64_t>(std::chrono::steady_clock::now().time_since_epoch().count());
  [[maybe_unused]] const bool filled =
      fill_with_chance({reinterpret_cast<std::uint8_t*>(&seed), sizeof seed});
  return seed;
}

}  // namespace sluice::serve
