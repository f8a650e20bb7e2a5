// What threads share: the snapshot holder, reclamation, counters. The tests with threads are meant for
// ThreadSanitizer, too.
#include <array>
#include <atomic>
#include <memory>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

#include "base/counters.hpp"
#include "base/published.hpp"
#include "base/quiescence.hpp"

namespace sluice {
namespace {

TEST_CASE("a published value is seen at the next current(), and lives as long as a reader holds it") {
  Published<int> published;
  Published<int>::Reader reader(published);
  CHECK(reader.current() == nullptr);

  auto first = std::make_shared<const int>(1);
  const std::weak_ptr<const int> watch = first;
  published.publish(std::move(first));
  const int* seen = reader.current();
  REQUIRE(seen != nullptr);
  CHECK(*seen == 1);
  CHECK(reader.current() == seen);

  published.publish(std::make_shared<const int>(2));
  CHECK_FALSE(watch.expired());  // the reader still may look at it
  CHECK(*seen == 1);
  CHECK(*reader.current() == 2);
  CHECK(watch.expired());
  CHECK(*published.load() == 2);
}

TEST_CASE("readers see published values whole, and never an older one after a newer") {
  struct Value {
    explicit Value(std::uint64_t n) : number(n), negated(~n) {}
    std::uint64_t number, negated;
  };
  constexpr std::uint64_t publications = 2000;
  Published<Value> published;
  published.publish(std::make_shared<const Value>(0));
  std::array<bool, 2> good{};
  std::vector<std::thread> readers;
  for (auto& verdict : good)
    readers.emplace_back([&published, &verdict] {
      Published<Value>::Reader reader(published);
      bool fine = true;
      for (std::uint64_t last = 0; last < publications;) {
        const Value* value = reader.current();
        fine = fine && value->negated == ~value->number && value->number >= last;
        last = value->number;
      }
      verdict = fine;
    });
  for (std::uint64_t n = 1; n <= publications; ++n) published.publish(std::make_shared<const Value>(n));
  for (auto& reader : readers) reader.join();
  CHECK(good == std::array<bool, 2>{true, true});
}

TEST_CASE("a section that began before the retirement holds it back, a later one does not") {
  Quiescence quiescence;
  CHECK(quiescence.passed(quiescence.retire()));  // no readers

  Quiescence::Reader reader(quiescence);
  CHECK(quiescence.passed(quiescence.retire()));  // outside of a section
  std::uint64_t epoch = 0;
  {
    const Quiescence::Section section(reader);
    epoch = quiescence.retire();
    CHECK_FALSE(quiescence.passed(epoch));
    CHECK_FALSE(quiescence.passed(quiescence.retire()));
  }
  CHECK(quiescence.passed(epoch));
  {
    const Quiescence::Section section(reader);
    CHECK(quiescence.passed(epoch));  // it began when the old value could not be found any more
  }
}

TEST_CASE("every reader has to pass, and one that is gone holds nothing back") {
  Quiescence quiescence;
  Quiescence::Reader first(quiescence);
  auto second = std::make_unique<Quiescence::Reader>(quiescence);
  auto section = std::make_unique<Quiescence::Section>(first);
  auto other = std::make_unique<Quiescence::Section>(*second);
  const auto epoch = quiescence.retire();
  CHECK_FALSE(quiescence.passed(epoch));
  section.reset();
  CHECK_FALSE(quiescence.passed(epoch));
  other.reset();
  second.reset();
  CHECK(quiescence.passed(epoch));
}

// A reader follows an index to a cell; a cell is overwritten only when it has been unpublished and passed.
// Were it overwritten earlier, the reader would see a cell that is half one value and half another, and
// ThreadSanitizer a race.
TEST_CASE("memory is not reused while a reader can see it") {
  struct Cell {
    std::array<std::uint64_t, 8> copies{};
  };
  constexpr std::uint64_t publications = 20000;
  Quiescence quiescence;
  std::array<Cell, 4> cells;
  std::atomic<std::size_t> published{0};
  std::atomic<bool> stop{false};
  std::array<bool, 2> good{};
  std::vector<std::thread> readers;
  for (auto& verdict : good)
    readers.emplace_back([&, verdict_at = &verdict] {
      Quiescence::Reader reader(quiescence);
      bool fine = true;
      while (!stop.load()) {
        const Quiescence::Section section(reader);
        const Cell& cell = cells[published.load(std::memory_order_seq_cst)];
        for (const auto copy : cell.copies) fine = fine && copy == cell.copies[0];
      }
      *verdict_at = fine;
    });

  std::array<std::uint64_t, 4> retired{};  // the epoch that has to pass before a cell is free
  for (std::uint64_t n = 1; n <= publications; ++n) {
    const std::size_t old = published.load(), next = (old + 1) % cells.size();
    while (!quiescence.passed(retired[next])) std::this_thread::yield();
    cells[next].copies.fill(n);
    published.store(next, std::memory_order_seq_cst);
    retired[old] = quiescence.retire();
  }
  stop = true;
  for (auto& reader : readers) reader.join();
  CHECK(good == std::array<bool, 2>{true, true});
}

TEST_CASE("counters are summed over the threads' shards") {
  Counters counters;
  std::vector<std::thread> threads;
  for (int i = 0; i < 3; ++i)
    threads.emplace_back([&counters] {
      CounterShard& shard = counters.add_shard();
      for (int n = 0; n < 1000; ++n) shard.add(Metric::queries_udp);
      shard.add_answer(0, 5);
      shard.add_answer(answer_counters_max - 1, 5);
    });
  for (auto& thread : threads) thread.join();
  CHECK(counters.value(Metric::queries_udp) == 3000);
  CHECK(counters.value(Metric::queries_tcp) == 0);
  CHECK(counters.answers(0) == 3);
  CHECK(counters.answers(1) == 0);
  CHECK(counters.answers(answer_counters_max - 1) == 3);
  CHECK(counters.last_answer(0) == 5);
  CHECK(counters.last_answer(1) == 0);
}

}  // namespace
}  // namespace sluice
