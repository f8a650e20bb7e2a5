// The store as the director uses it: changes are durable when commit() returns, what merely happened is
// written a moment later, and who waits for events is told of both.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/thread_pool.hpp>

#include "base/clock.hpp"
#include "base/result.hpp"
#include "control/alarm.hpp"
#include "control/backlog.hpp"
#include "control/commands.hpp"
#include "store/store.hpp"

namespace sluice::control {

// Not thread-safe: the control thread's. Destroyed when `executor` runs no more, or after stop().
class Journal {
 public:
  Journal(boost::asio::any_io_executor executor, store::Store store);

  // All or nothing, together with what is not written yet; while that cannot be written, with what of it was
  // decided.
  // `written` as of store::Store::commit().
  Result<void> commit(const std::vector<store::Change>& changes, const std::vector<store::Event>& events,
                      const std::function<void()>& written = {});

  // For what comes into force whether or not it can be stored now: if not, it is stored before or together
  // with whatever is committed later. Until then a crash undoes it.
  Result<void> insist(const std::vector<store::Change>& changes, const std::vector<store::Event>& events);

  // Tells of what was committed, or insisted on, when it is in force.
  void announce(const std::vector<store::Event>& events);

  // For what is in force already: it is logged now and written soon. `details` as in store::Event.
  void note(std::string who, std::string kind, std::string subject, std::string text,
            std::string details = {});

  // The same for what was seen, such as health: not logged, and lost with the last moments before a crash.
  template <class Seen>
  void keep(Seen seen) {
    backlog_.keep(std::move(seen));
    write_soon();
  }

  // Replies with the newest `limit` events above `after`; when there is none, waits for one as long as
  // `wait`.
  void list(std::int64_t after, std::size_t limit, Duration wait, ReplyHandler handler);

  // The newest `limit` rollouts of a name, newest first.
  Result<std::vector<store::RolloutRecord>> rollouts(const std::string& steer, std::size_t limit) {
    return store_.rollouts(steer, limit);
  }
  // The same of a pool's rolling upgrades, or of all pools'.
  Result<std::vector<store::RollingRecord>> rollings(const std::optional<std::string>& pool,
                                                     std::size_t limit) {
    return store_.rollings(pool, limit);
  }

  // As of the store: without what is not written yet.
  Result<std::vector<store::Event>> oldest_events(std::int64_t after, std::size_t limit) {
    return store_.oldest_events(after, limit);
  }
  Result<std::vector<store::Event>> newest_events(std::size_t limit) { return store_.events(0, limit); }

  // Who is told of events when they are stored, with their ids; in the order of these.
  using OnStored = std::function<void(const std::vector<store::Event>&)>;
  void on_stored(OnStored on_stored) { on_stored_ = std::move(on_stored); }

  // Why the last write failed; empty when all is written, or soon will be.
  const std::string& trouble() const { return trouble_; }

  // Tries once to write what is not written, and answers who waits.
  void stop();

 private:
  struct Waiter {
    std::int64_t after;
    std::size_t limit;
    ReplyHandler handler;
    std::unique_ptr<SteadyAlarm> deadline;
  };

  enum class Scope : std::uint8_t { what_was_decided, all };  // of the backlog
  Result<void> write(Scope scope, const std::vector<store::Change>& changes,
                     const std::vector<store::Event>& events, const std::function<void()>& written = {});
  void take_written(Scope scope);
  void write_backlog();
  void write_soon();
  void write_late();
  void checkpoint_beside();
  void wake();
  Reply reply(std::int64_t after, std::size_t limit);

  boost::asio::any_io_executor executor_;
  store::Store store_;
  std::string trouble_;
  Backlog backlog_;
  Duration pause_;  // before the backlog is tried again
  bool write_awaited_ = false, stopped_ = false;
  SteadyAlarm write_alarm_;
  std::list<Waiter> waiters_;
  OnStored on_stored_;
  std::atomic<bool> checkpointing_ = false;
  boost::asio::thread_pool checkpointer_{1};  // last: it uses the store
};

}  // namespace sluice::control
