#include "base/consideration.hpp"

#include <cerrno>
#include <csignal>
#include <thread>

#include <doctest/doctest.h>
#include <pthread.h>
#include <sys/resource.h>
#include <unistd.h>

namespace sluice {
namespace {

int niceness_here() { return getpriority(PRIO_PROCESS, static_cast<id_t>(gettid())); }

TEST_CASE("a considerate thread is nice, and others are not for that") {
  const int before = niceness_here();
  std::thread([&] {
    const Consideration considerate;
    CHECK(niceness_here() == 10);
  }).join();
  CHECK(niceness_here() == before);
}

TEST_CASE("the end of a turn cuts nothing short") {
  int ends[2];
  REQUIRE(pipe(ends) == 0);
  std::thread([&] {
    const Consideration considerate;
    std::thread other([&ends, reader = pthread_self()] {
      for (int i = 0; i < 100; ++i) {
        pthread_kill(reader, SIGRTMAX);  // what its timer sends
        std::this_thread::yield();
      }
      REQUIRE(write(ends[1], "x", 1) == 1);
    });
    errno = 0;
    char octet = 0;
    CHECK(read(ends[0], &octet, 1) == 1);
    CHECK(octet == 'x');
    CHECK(errno == 0);
    other.join();
  }).join();
  std::thread([] {
    const Consideration again;
    CHECK(niceness_here() == 10);
  }).join();
  close(ends[0]);
  close(ends[1]);
}

}  // namespace
}  // namespace sluice
