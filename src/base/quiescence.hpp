// When may memory that was unpublished be used again? When every reading thread has been seen between two
// batches since (quiescent-state-based reclamation). Readers pay two plain stores per batch and never wait.
//
//   worker:   Quiescence::Reader reader(quiescence);       control thread:
//             { Quiescence::Section section(reader);         table.store(new_offset);
//               ... answer one batch ... }                   const auto epoch = quiescence.retire();
//                                                            ... later: if (quiescence.passed(epoch))
//                                                            free(old);
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <mutex>
#include <vector>

namespace sluice {

class Quiescence {
 public:
  // One reading thread. Registered for its lifetime. Only its own thread enters and leaves.
  class Reader {
   public:
    explicit Reader(Quiescence& quiescence);
    ~Reader();
    Reader(const Reader&) = delete;
    Reader& operator=(const Reader&) = delete;

   private:
    friend class Quiescence;
    friend class Section;
    static constexpr std::uint64_t outside = ~std::uint64_t{0};
    Quiescence& quiescence_;
    alignas(64) std::atomic<std::uint64_t> entered_{outside};  // the epoch at entry, or `outside`
  };

  // While one exists, nothing that was published at its start is reused. Do not block inside.
  class Section {
   public:
    explicit Section(Reader& reader) : reader_(reader) {
      // Sequentially consistent, as the loads of published offsets are: none of them may come before this
      // store.
      reader_.entered_.store(reader_.quiescence_.epoch_.load(std::memory_order_acquire),
                             std::memory_order_seq_cst);
    }
    ~Section() { reader_.entered_.store(Reader::outside, std::memory_order_release); }
    Section(const Section&) = delete;
    Section& operator=(const Section&) = delete;

   private:
    Reader& reader_;
  };

  // Thread-safe. Call after unpublishing; the result says to passed() what was meant.
  std::uint64_t retire() { return epoch_.fetch_add(1, std::memory_order_seq_cst) + 1; }

  // Thread-safe. True when no reader can still see what was unpublished before retire() returned `epoch`.
  bool passed(std::uint64_t epoch) const;

  // Thread-safe. Waits until all sections are over that have begun so far, but about `most` at most; whether
  // they are.
  bool wait(std::chrono::microseconds most);

 private:
  std::atomic<std::uint64_t> epoch_{0};
  mutable std::mutex mutex_;  // guards the list of readers, which changes only when threads come and go
  std::vector<Reader*> readers_;
};

}  // namespace sluice
