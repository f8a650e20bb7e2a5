// Tells receivers ([notify.NAME]) what happens: what notification_queue.hpp decides, by a POST for each
// event.
//
//   the journal has stored events --take()--> queues --begin()--> post(request) --reply--> end()
//                                               '--- cursors, and what is told of receivers --> the journal
#pragma once

#include <functional>
#include <list>
#include <string>
#include <vector>

#include <boost/asio/any_io_executor.hpp>
#include <boost/json/object.hpp>

#include "control/alarm.hpp"
#include "control/journal.hpp"
#include "control/notification_queue.hpp"
#include "control/status.hpp"
#include "probe/fetch.hpp"

namespace sluice::control {

// What is posted of an event.
boost::json::object notification(const store::Event& event);

// Why a reply is a failure; nothing when it is none.
std::optional<std::string> failure_of(const Result<probe::WebReply>& reply);

// Not thread-safe: the control thread's. Destroyed when `executor` runs no more, or after stop(). The journal
// outlives it.
class Courier {
 public:
  // Makes a request; calls back once, later and on the control thread, or never when the daemon stops.
  using Done = std::function<void(const Result<probe::WebReply>&)>;
  using Post = std::function<void(probe::WebRequest, Done)>;

  Courier(boost::asio::any_io_executor executor, Journal& journal, Post post);

  // Once, before the first set_receivers(): how far the receivers of the process before were told.
  void restore(const std::vector<store::ReceiverCursor>& cursors) { stored_ = cursors; }

  // The config's from now on. One that is new is told what happens from now on; one that is gone is
  // forgotten.
  void set_receivers(const std::vector<config::Receiver>& receivers);

  std::vector<ReceiverState> states() const;

  void stop();

 private:
  NotificationQueue restored(const config::Receiver& receiver, std::int64_t newest);
  void read_stored(NotificationQueue& queue);
  void forget_others(const std::vector<config::Receiver>& receivers);
  std::int64_t newest_event();
  NotificationQueue* find(const std::string& receiver);
  void take(const std::vector<store::Event>& events);
  void work_soon();
  void work();
  void send(NotificationQueue& queue);
  void keep(const NotificationQueue& queue);
  void arm();

  boost::asio::any_io_executor executor_;
  Journal& journal_;
  Post post_;
  std::vector<store::ReceiverCursor> stored_;
  std::list<NotificationQueue> queues_;
  bool working_soon_ = false, stopped_ = false;
  SteadyAlarm alarm_;
};

}  // namespace sluice::control
