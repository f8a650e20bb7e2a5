#include "control/courier.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include <boost/asio/post.hpp>
#include <boost/json/serialize.hpp>

#include "base/clock.hpp"
#include "base/log.hpp"
#include "probe/notification.hpp"

namespace sluice::control {
namespace {

constexpr std::size_t events_at_once = 1000;  // read from the store

bool is_among(const std::vector<config::Receiver>& receivers, const std::string& name) {
  return std::any_of(receivers.begin(), receivers.end(), [&](const auto& one) { return one.name == name; });
}

}  // namespace

boost::json::object notification(const store::Event& event) {
  boost::json::object object{{"id", event.id},   {"at", to_text(event.at)}, {"what", event.kind},
                             {"who", event.who}, {"name", event.subject},   {"why", event.text}};
  for (const auto& member : details_of(event)) object.insert(member);
  return object;
}

std::optional<std::string> failure_of(const Result<probe::WebReply>& reply) {
  if (!reply) return reply.error().message;
  if (probe::is_success(*reply)) return std::nullopt;
  return fmt::format("status {}", reply->status);
}

Courier::Courier(boost::asio::any_io_executor executor, Journal& journal, Post post)
    : executor_(std::move(executor)),
      journal_(journal),
      post_(std::move(post)),
      alarm_(executor_, [this] { work(); }) {
  journal_.on_stored([this](const auto& events) { take(events); });
}

void Courier::set_receivers(const std::vector<config::Receiver>& receivers) {
  forget_others(receivers);
  const auto newest = newest_event();
  for (const auto& receiver : receivers) {
    if (auto* queue = find(receiver.name))
      queue->set_receiver(receiver);
    else
      queues_.push_back(restored(receiver, newest));
  }
  // Now, and not with the next that is told: what was not wanted before is not told later.
  for (const auto& queue : queues_) keep(queue);
  stored_.clear();
  work_soon();
}

void Courier::forget_others(const std::vector<config::Receiver>& receivers) {
  for (const auto& [name, event] : stored_)
    if (!is_among(receivers, name)) journal_.keep(store::ReceiverCursor{name, {}});
  std::erase_if(queues_, [&](const NotificationQueue& queue) {
    if (is_among(receivers, queue.receiver().name)) return false;
    journal_.keep(store::ReceiverCursor{queue.receiver().name, {}});
    return true;
  });
}

// A receiver that was not told anything yet begins behind the newest event.
NotificationQueue Courier::restored(const config::Receiver& receiver, std::int64_t newest) {
  const auto known = std::find_if(stored_.begin(), stored_.end(),
                                  [&](const auto& cursor) { return cursor.receiver == receiver.name; });
  if (known == stored_.end()) return {receiver, newest};
  NotificationQueue queue(receiver, known->event.value_or(newest));
  read_stored(queue);
  return queue;
}

void Courier::read_stored(NotificationQueue& queue) {
  auto after = queue.cursor();
  for (;;) {
    const auto events = journal_.oldest_events(after, events_at_once);
    if (!events)
      return logger().warn("receiver {} is not told what happened before: {}", queue.receiver().name,
                           events.error().message);
    for (const auto& event : *events) queue.take(event, deciding_now());
    if (events->size() < events_at_once) return;
    after = events->back().id;
  }
}

std::int64_t Courier::newest_event() {
  const auto newest = journal_.newest_events(1);
  return newest && !newest->empty() ? newest->back().id : 0;
}

NotificationQueue* Courier::find(const std::string& receiver) {
  const auto found = std::find_if(queues_.begin(), queues_.end(),
                                  [&](const auto& queue) { return queue.receiver().name == receiver; });
  return found == queues_.end() ? nullptr : &*found;
}

void Courier::take(const std::vector<store::Event>& events) {
  for (auto& queue : queues_)
    for (const auto& event : events) queue.take(event, deciding_now());
  work_soon();
}

// Not at once: the journal is at work.
void Courier::work_soon() {
  if (stopped_ || queues_.empty() || std::exchange(working_soon_, true)) return;
  boost::asio::post(executor_, [this] {
    working_soon_ = false;
    work();
  });
}

void Courier::work() {
  if (stopped_) return;
  for (auto& queue : queues_) {
    send(queue);
    for (auto& note : queue.take_notes())
      journal_.note("sluiced", std::move(note.kind), queue.receiver().name, std::move(note.text));
  }
  arm();
}

void Courier::send(NotificationQueue& queue) {
  const auto* event = queue.begin(deciding_now());
  if (event == nullptr) return;
  auto request = probe::signed_post(queue.receiver(), boost::json::serialize(notification(*event)),
                                    queue.receiver().timeout);
  post_(std::move(request),
        [this, name = queue.receiver().name, id = event->id](const Result<probe::WebReply>& reply) {
          auto* sender = find(name);
          if (sender == nullptr || stopped_) return;
          const auto before = sender->cursor();
          sender->end(id, failure_of(reply), deciding_now());
          if (sender->cursor() != before) keep(*sender);
          work_soon();
        });
}

void Courier::keep(const NotificationQueue& queue) {
  journal_.keep(store::ReceiverCursor{queue.receiver().name, queue.cursor()});
}

void Courier::arm() {
  std::optional<Time> next;
  for (const auto& queue : queues_)
    if (const auto due = queue.next_due(); due && (!next || *due < *next)) next = due;
  next ? alarm_.set_after(std::max(*next - deciding_now(), Duration::zero())) : alarm_.clear();
}

std::vector<ReceiverState> Courier::states() const {
  std::vector<ReceiverState> states;
  for (const auto& queue : queues_) {
    const auto& [sent, failed, dropped] = queue.counts();
    states.push_back({queue.receiver().name, sent, failed, dropped, queue.waiting(), queue.trouble()});
  }
  return states;
}

void Courier::stop() {
  stopped_ = true;
  for (const auto& queue : queues_) keep(queue);
  alarm_.clear();
}

}  // namespace sluice::control
