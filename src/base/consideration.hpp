// For long work beside the answering threads.
#pragma once

namespace sluice {

/**
 * While one exists, its thread leaves the CPU to others that want it: it has a tenth of their share, and
 * takes that in small parts. A thread that is only nice keeps the CPU until the kernel's next tick once its
 * turn has come, 4 ms at 250 Hz; this one ends its turn by itself, when a timer's signal (SIGRTMAX)
 * interrupts it. At most one a thread, which is for such work alone: the niceness stays, and threads that it
 * starts have it.
 *
 * Where the system refuses, it does without.
 */
class Consideration {
 public:
  Consideration();
  ~Consideration();
  Consideration(const Consideration&) = delete;
  Consideration& operator=(const Consideration&) = delete;
};

}  // namespace sluice
