// What is to be done when: any number of items, and one timer for all of them.
//
//   add(time, item) --the time has come--> do_item(item)
//        '--remove(time, item)
//
// The timer is set anew when an item comes that is earlier than all others, and not when the earliest one
// goes. Most deadlines are never met: their timer goes off for nothing now and then, instead of being set
// anew for each.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <set>
#include <utility>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/steady_timer.hpp>

namespace sluice::probe {

// Not thread-safe: everything runs on one implicit or explicit strand, `executor`. A copy is the same agenda.
template <class Item>
class Agenda {
 public:
  using Time = std::chrono::steady_clock::time_point;
  using DoItem = std::function<void(const Item&)>;

  Agenda(boost::asio::any_io_executor executor, DoItem do_item)
      : state_(std::make_shared<State>(std::move(executor), std::move(do_item))) {}

  void add(Time time, const Item& item) {
    state_->items.emplace(time, item);
    if (time < state_->timer_at) state_->set_timer();
  }

  // It may have been done already.
  void remove(Time time, const Item& item) { state_->items.erase({time, item}); }

  // So that nothing is left that the event loop would wait for.
  void clear() {
    state_->items.clear();
    state_->set_timer();
  }

 private:
  // The handler of the timer holds it by a weak pointer: nothing is done when all agendas have gone.
  struct State : std::enable_shared_from_this<State> {
    State(boost::asio::any_io_executor executor, DoItem its_do_item)
        : timer(std::move(executor)), do_item(std::move(its_do_item)) {}

    void set_timer() {
      timer_at = items.empty() ? Time::max() : items.begin()->first;
      if (items.empty()) return void(timer.cancel());
      timer.expires_at(timer_at);
      timer.async_wait([weak = this->weak_from_this()](boost::system::error_code error) {
        const auto self = weak.lock();
        if (error || !self) return;
        self->do_items(std::chrono::steady_clock::now());
        self->set_timer();
      });
    }

    void do_items(Time now) {
      while (!items.empty() && items.begin()->first <= now) {
        const Item item = std::move(items.extract(items.begin()).value().second);
        do_item(item);
      }
    }

    std::set<std::pair<Time, Item>> items;
    boost::asio::steady_timer timer;
    Time timer_at = Time::max();  // that: it is not set
    const DoItem do_item;
  };

  std::shared_ptr<State> state_;
};

}  // namespace sluice::probe
