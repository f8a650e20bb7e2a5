#include "control/journal.hpp"

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

// While the disk is full; what comes later tells more.
constexpr std::size_t kept_max = 100'000;

void log(const store::Event& event) { logger().info("{} by {}: {}", event.kind, event.who, event.text); }

}  // namespace

Journal::Journal(boost::asio::any_io_executor executor, store::Store store)
    : executor_(std::move(executor)), store_(std::move(store)), timer_(executor_) {}

Result<void> Journal::commit(const std::vector<store::Change>& changes,
                             const std::vector<store::Event>& events) {
  auto all = noted_;
  all.insert(all.end(), events.begin(), events.end());
  if (const auto written = write(changes, std::move(all)); !written) return written;
  return {};
}

void Journal::announce(const std::vector<store::Event>& events) {
  for (const auto& event : events) log(event);
  wake();
}

void Journal::note(std::string who, std::string kind, std::string subject, std::string text) {
  noted_.push_back({0, wall_now(), std::move(who), std::move(kind), std::move(subject), std::move(text)});
  log(noted_.back());
  // While the disk is full, what the store would not keep is not kept here either.
  if (noted_.size() > static_cast<std::size_t>(store::health_events_max)) noted_.erase(noted_.begin());
  write_soon();
}

void Journal::keep(store::Change change) {
  kept_.push_back(std::move(change));
  if (kept_.size() > kept_max) kept_.erase(kept_.begin());
  write_soon();
}

void Journal::write_soon() {
  if (std::exchange(timer_armed_, true)) return;
  timer_.expires_after(write_delay);
  timer_.async_wait([this](boost::system::error_code error) {
    if (error) return;
    timer_armed_ = false;
    write_noted();
  });
}

void Journal::list(std::int64_t after, std::size_t limit, Duration wait, ReplyHandler handler) {
  write_noted();
  auto now = reply(after, limit);
  if (!now || wait == Duration::zero() || !now->at("events").as_array().empty())
    return handler(std::move(now));

  const auto waiter = waiters_.insert(
      waiters_.end(), Waiter{after, limit, std::move(handler), boost::asio::steady_timer(executor_)});
  waiter->timer.expires_after(wait);
  waiter->timer.async_wait([this, waiter](boost::system::error_code error) {
    if (error) return;  // woken before, and gone
    const auto handle = std::move(waiter->handler);
    auto late = reply(waiter->after, waiter->limit);
    waiters_.erase(waiter);
    handle(std::move(late));
  });
}

void Journal::stop() {
  write_noted();
  timer_.cancel();
  wake();
}

Result<void> Journal::write(const std::vector<store::Change>& changes, std::vector<store::Event> events) {
  auto all = kept_;
  all.insert(all.end(), changes.begin(), changes.end());
  const auto written = store_.commit(all, events);
  if (!written) {
    if (trouble_.empty()) logger().warn("the state cannot be stored: {}", written.error().message);
    trouble_ = written.error().message;
    return written;
  }
  trouble_.clear();
  noted_.clear();
  kept_.clear();
  if (store_.checkpoint_due()) checkpoint_beside();
  return written;
}

void Journal::checkpoint_beside() {
  if (checkpointing_.exchange(true)) return;
  boost::asio::post(checkpointer_, [this] {
    store_.checkpoint();
    checkpointing_ = false;
  });
}

// What could not be written is tried again with the next event, or the next change.
void Journal::write_noted() {
  if ((!noted_.empty() || !kept_.empty()) && write({}, noted_)) wake();
}

// A timer that has run out already finds its waiter gone only by way of its error, so those stay for their
// handler.
void Journal::wake() {
  std::list<Waiter> woken;
  for (auto waiter = waiters_.begin(); waiter != waiters_.end();) {
    const auto next = std::next(waiter);
    if (waiter->timer.cancel() != 0) woken.splice(woken.end(), waiters_, waiter);
    waiter = next;
  }
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
