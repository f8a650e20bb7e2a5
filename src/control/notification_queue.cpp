#include "control/notification_queue.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

#include <fmt/format.h>

namespace sluice::control {
namespace {

constexpr Duration first_pause = std::chrono::seconds(1);
constexpr unsigned doublings_max = 16;

}  // namespace

bool is_wanted(const std::vector<std::string>& patterns, std::string_view kind) {
  return std::any_of(patterns.begin(), patterns.end(), [&](std::string_view pattern) {
    if (!pattern.ends_with('*')) return pattern == kind;
    pattern.remove_suffix(1);
    return kind.starts_with(pattern);
  });
}

Duration pause_after(unsigned failures, Duration longest) {
  return std::min(first_pause * (1 << std::min(failures - 1, doublings_max)), longest);
}

NotificationQueue::NotificationQueue(config::Receiver receiver, std::int64_t cursor)
    : receiver_(std::move(receiver)), seen_(cursor) {}

void NotificationQueue::set_receiver(config::Receiver receiver) {
  receiver_ = std::move(receiver);
  due_ = {};  // it may be another place now
  make_room();
}

void NotificationQueue::take(const store::Event& event, Time now) {
  if (event.id <= seen_) return;
  seen_ = event.id;
  if (!is_wanted(receiver_.events, event.kind)) return;
  queue_.push_back({event, now});
  make_room();
}

// What is on its way may have arrived: the others go first.
void NotificationQueue::make_room() {
  while (queue_.size() > receiver_.queue && queue_.size() > (on_its_way_ ? 1U : 0U))
    drop(on_its_way_ ? 1 : 0, fmt::format("more than {} events wait", receiver_.queue));
}

void NotificationQueue::drop(std::size_t position, const std::string& why) {
  const auto at = queue_.begin() + static_cast<std::ptrdiff_t>(position);
  ++counts_.dropped;
  if (dropped_since_++ == 0)
    notes_.push_back({"receiver.dropped",
                      fmt::format("receiver {}: event {} ({}) is dropped, and others may follow until it "
                                  "answers again: {}{}",
                                  receiver_.name, at->event.id, at->event.kind, why,
                                  trouble_.empty() ? "" : "; " + trouble_)});
  queue_.erase(at);
}

const store::Event* NotificationQueue::begin(Time now) {
  if (on_its_way_ || queue_.empty() || now < due_) return nullptr;
  on_its_way_ = true;
  return &queue_.front().event;
}

void NotificationQueue::end(std::int64_t event, const std::optional<std::string>& failure, Time now) {
  if (!on_its_way_ || queue_.front().event.id != event) return;
  on_its_way_ = false;
  failure ? fail(*failure, now) : succeed();
  make_room();
}

void NotificationQueue::succeed() {
  ++counts_.sent;
  queue_.pop_front();
  failures_ = 0;
  due_ = {};
  trouble_.clear();
  const auto dropped = std::exchange(dropped_since_, 0);
  if (!std::exchange(failing_told_, false) && dropped == 0) return;
  notes_.push_back(
      {"receiver.well",
       fmt::format("receiver {} answers again{}", receiver_.name,
                   dropped == 0 ? "" : fmt::format("; {} events were dropped meanwhile", dropped))});
}

void NotificationQueue::fail(const std::string& why, Time now) {
  ++counts_.failed;
  ++failures_;
  trouble_ = why;
  const auto pause = pause_after(failures_, receiver_.retry_max);
  due_ = now + pause;
  if (failures_ >= failures_to_tell && !std::exchange(failing_told_, true))
    notes_.push_back({"receiver.failing",
                      fmt::format("receiver {} has failed {} times in a row, and is tried again every {} at "
                                  "least: {}",
                                  receiver_.name, failures_, to_text(receiver_.retry_max), why)});
  if (now - queue_.front().since > receiver_.retry_for)
    drop(0, fmt::format("it has waited for longer than {}", to_text(receiver_.retry_for)));
}

std::optional<Time> NotificationQueue::next_due() const {
  if (on_its_way_ || queue_.empty()) return std::nullopt;
  return due_;
}

std::vector<ReceiverNote> NotificationQueue::take_notes() { return std::exchange(notes_, {}); }

std::int64_t NotificationQueue::cursor() const {
  return queue_.empty() ? seen_ : queue_.front().event.id - 1;
}

}  // namespace sluice::control
