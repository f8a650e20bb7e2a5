#include "control/journal.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

#include <boost/asio/post.hpp>
#include <boost/json/array.hpp>

#include "base/log.hpp"
#include "control/status.hpp"

namespace sluice::control {
namespace {

// Health may change for thousands of endpoints at once; what happened is written together, this much later at
// the latest.
constexpr auto write_delay = std::chrono::milliseconds(100);

// While the disk is full: the state of all that is probed takes its time, and nothing else is done meanwhile.
constexpr Duration pause_shortest = std::chrono::seconds(1), pause_longest = std::chrono::seconds(10);

void log(const store::Event& event) { logger().info("{} by {}: {}", event.kind, event.who, event.text); }

}  // namespace

Journal::Journal(boost::asio::any_io_executor executor, store::Store store)
    : executor_(std::move(executor)),
      store_(std::move(store)),
      pause_(pause_shortest),
      write_alarm_(executor_, [this] { write_late(); }) {}

// What an operator changes may find room where the backlog finds none, and does not wait for that each time.
// But the store is never behind what was acknowledged: it may rest on what was decided before.
Result<void> Journal::commit(const std::vector<store::Change>& changes,
                             const std::vector<store::Event>& events, const std::function<void()>& written) {
  return write(trouble_.empty() ? Scope::all : Scope::what_was_decided, changes, events, written);
}

Result<void> Journal::insist(const std::vector<store::Change>& changes,
                             const std::vector<store::Event>& events) {
  const auto written = commit(changes, events);
  if (!written) backlog_.owe({changes, events});
  write_soon();
  return written;
}

void Journal::announce(const std::vector<store::Event>& events) {
  for (const auto& event : events) log(event);
  wake();
}

void Journal::note(std::string who, std::string kind, std::string subject, std::string text,
                   std::string details) {
  backlog_.note({0, wall_now(), std::move(who), std::move(kind), std::move(subject), std::move(text),
                 std::move(details)});
  log(backlog_.last_noted());
  write_soon();
}

void Journal::write_soon() {
  if (stopped_ || backlog_.empty() || std::exchange(write_awaited_, true)) return;
  const auto longer = std::min(2 * pause_, pause_longest);
  write_alarm_.set_after(trouble_.empty() ? write_delay : std::exchange(pause_, longer));
}

void Journal::write_late() {
  write_awaited_ = false;
  write_backlog();
  write_soon();
}

void Journal::list(std::int64_t after, std::size_t limit, Duration wait, ReplyHandler handler) {
  if (trouble_.empty()) write_backlog();
  auto now = reply(after, limit);
  if (!now || wait == Duration::zero() || !now->at("events").as_array().empty())
    return handler(std::move(now));

  const auto waiter = waiters_.insert(waiters_.end(), Waiter{after, limit, std::move(handler), {}});
  waiter->deadline = std::make_unique<SteadyAlarm>(executor_, [this, waiter] {
    std::list<Waiter> late;
    late.splice(late.end(), waiters_, waiter);
    late.front().handler(reply(late.front().after, late.front().limit));
  });
  waiter->deadline->set_after(wait);
}

void Journal::stop() {
  stopped_ = true;
  write_backlog();
  write_alarm_.clear();
  wake();
}

Result<void> Journal::write(Scope scope, const std::vector<store::Change>& changes,
                            const std::vector<store::Event>& events, const std::function<void()>& written) {
  auto batch = scope == Scope::all ? backlog_.all() : backlog_.owed();
  batch.changes.insert(batch.changes.end(), changes.begin(), changes.end());
  batch.events.insert(batch.events.end(), events.begin(), events.end());
  const auto stored = store_.commit(batch.changes, batch.events, written);
  if (stored) {
    take_written(scope);
    if (on_stored_ && !batch.events.empty()) on_stored_(batch.events);
  } else {
    if (trouble_.empty()) logger().warn("the state cannot be stored: {}", stored.error().message);
    trouble_ = stored.error().message;
  }
  return stored;
}

void Journal::take_written(Scope scope) {
  scope == Scope::all ? backlog_.clear() : backlog_.clear_owed();
  if (backlog_.empty()) {
    trouble_.clear();
    pause_ = pause_shortest;
  }
  if (store_.checkpoint_due()) checkpoint_beside();
}

void Journal::checkpoint_beside() {
  if (checkpointing_.exchange(true)) return;
  boost::asio::post(checkpointer_, [this] {
    store_.checkpoint();
    checkpointing_ = false;
  });
}

void Journal::write_backlog() {
  if (!backlog_.empty() && write(Scope::all, {}, {})) wake();
}

void Journal::wake() {
  auto woken = std::exchange(waiters_, {});
  for (auto& waiter : woken) waiter.deadline->clear();
  for (auto& waiter : woken) waiter.handler(reply(waiter.after, waiter.limit));
}

Reply Journal::reply(std::int64_t after, std::size_t limit) {
  const auto events = store_.events(after, limit);
  if (!events) return events.error();
  boost::json::array list;
  for (const auto& event : *events) list.push_back(to_json(event));
  return boost::json::value(boost::json::object{{"events", std::move(list)}});
}

}  // namespace sluice::control
