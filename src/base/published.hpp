// The snapshot holder: one writer publishes immutable values, readers compare one number to see whether there
// is a newer one.
//
//   Published<Snapshot> published;            // shared by all
//   Published<Snapshot>::Reader reader(published);   // one per thread
//   const Snapshot& now = reader.current();   // once per batch: one relaxed load unless something changed
//
// A mutex around the pointer, not std::atomic<std::shared_ptr>: that one is not lock-free in libstdc++ 12,
// and ThreadSanitizer rejects it; the mutex is taken only after a change.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <utility>

namespace sluice {

template <class T>
class Published {
 public:
  // Thread-safe. Readers see `value` at their next current().
  void publish(std::shared_ptr<const T> value) {
    const std::lock_guard lock(mutex_);
    value_ = std::move(value);
    generation_.fetch_add(1, std::memory_order_seq_cst);
  }

  // Thread-safe.
  std::shared_ptr<const T> load() const {
    const std::lock_guard lock(mutex_);
    return value_;
  }

  // One thread's view. Not thread-safe; `published` has to outlive it.
  class Reader {
   public:
    explicit Reader(const Published& published) : published_(&published) {}

    // The newest value, valid until the next call; null before the first publish().
    const T* current() {
      // Sequentially consistent: not before the store by which a Quiescence::Section begins.
      const auto generation = published_->generation_.load(std::memory_order_seq_cst);
      if (generation != seen_) {
        value_ = published_->load();
        seen_ = generation;
      }
      return value_.get();
    }

    // What current() returned, for who needs it longer.
    std::shared_ptr<const T> held() const { return value_; }

   private:
    const Published* published_;
    std::shared_ptr<const T> value_;
    std::uint64_t seen_ = 0;
  };

 private:
  mutable std::mutex mutex_;
  std::shared_ptr<const T> value_;
  std::atomic<std::uint64_t> generation_{0};
};

}  // namespace sluice
