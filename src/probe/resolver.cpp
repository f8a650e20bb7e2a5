#include "probe/resolver.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <deque>
#include <map>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>

#include <netdb.h>
#include <netinet/in.h>
#include <resolv.h>
#include <sys/socket.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace sluice::probe {
namespace {

namespace asio = boost::asio;

std::optional<Address> to_address(const sockaddr& from) {
  Address address;
  if (from.sa_family == AF_INET) {
    std::memcpy(address.octets.data(), &reinterpret_cast<const sockaddr_in&>(from).sin_addr, 4);
  } else if (from.sa_family == AF_INET6) {
    address.family = Family::v6;
    std::memcpy(address.octets.data(), &reinterpret_cast<const sockaddr_in6&>(from).sin6_addr, 16);
  } else {
    return std::nullopt;
  }
  return address;
}

Error to_error(int code, int number) {
  switch (code) {
    case EAI_NONAME:
    case EAI_NODATA:
      return {ErrorCode::not_found, "the name has no address"};
    case EAI_MEMORY:
      return {ErrorCode::unavailable, "no memory to look a name up"};
    case EAI_SYSTEM:
      return {ErrorCode::unavailable, std::generic_category().message(number)};
    default:
      return {ErrorCode::not_found, "the name cannot be resolved now"};  // EAI_AGAIN, EAI_FAIL
  }
}

}  // namespace

Addresses look_up(const wire::Name& host) {
  // Without the final dot, as /etc/hosts has names without it. The thread's own resolver is told to add no
  // search domain all the same (resolver(3)): another name's address is worse than none.
  if (res_init() != 0) return Error{ErrorCode::unavailable, "the system's resolver cannot be set up"};
  _res.options &= ~static_cast<unsigned long>(RES_DNSRCH | RES_DEFNAMES);
  auto text = host.text();
  text.pop_back();
  addrinfo hints{}, *found = nullptr;
  hints.ai_socktype = SOCK_STREAM;  // each address once
  const int code = getaddrinfo(text.c_str(), nullptr, &hints, &found);
  if (code != 0) return to_error(code, errno);
  const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> list(found, &freeaddrinfo);
  std::vector<Address> addresses;
  for (const addrinfo* entry = list.get(); entry != nullptr; entry = entry->ai_next) {
    const auto address = to_address(*entry->ai_addr);
    if (address && std::find(addresses.begin(), addresses.end(), *address) == addresses.end())
      addresses.push_back(*address);
  }
  if (addresses.empty()) return to_error(EAI_NODATA, 0);
  return addresses;
}

struct Resolver::Waiter {
  asio::steady_timer* timer;  // null: it has left
  std::optional<Addresses> result;
};

// Shared with the threads, which may outlive the resolver.
class Resolver::State : public std::enable_shared_from_this<State> {
 public:
  State(asio::any_io_executor executor, LookUp function)
      : executor_(std::move(executor)), look_up_(function) {}

  // Called on the strand.
  void add(const wire::Name& host, const std::shared_ptr<Waiter>& waiter);
  void remove(const wire::Name& host, const std::shared_ptr<Waiter>& waiter);
  void forget();

 private:
  using Waiters = std::vector<std::shared_ptr<Waiter>>;

  void start_thread();
  void work();
  std::optional<wire::Name> next();
  void deliver(const wire::Name& host, Addresses result);

  std::mutex mutex_;  // guards all below
  const asio::any_io_executor executor_;
  const LookUp look_up_;
  std::map<wire::Name, Waiters> asked_;  // being looked up, or in the queue
  std::deque<wire::Name> queue_;
  std::size_t threads_ = 0;
};

void Resolver::State::add(const wire::Name& host, const std::shared_ptr<Waiter>& waiter) {
  const std::lock_guard lock(mutex_);
  const auto [entry, is_new] = asked_.try_emplace(host);
  entry->second.push_back(waiter);
  if (is_new) queue_.push_back(host);
  if (!queue_.empty() && threads_ < lookups_max) start_thread();
}

void Resolver::State::remove(const wire::Name& host, const std::shared_ptr<Waiter>& waiter) {
  const std::lock_guard lock(mutex_);
  if (const auto entry = asked_.find(host); entry != asked_.end()) std::erase(entry->second, waiter);
}

void Resolver::State::forget() {
  const std::lock_guard lock(mutex_);
  for (auto& [host, waiters] : asked_) waiters.clear();
}

// Detached: a thread that hangs in getaddrinfo() must not hold up the end of the daemon. It uses nothing but
// this object then.
void Resolver::State::start_thread() {
  try {
    std::thread([self = shared_from_this()] { self->work(); }).detach();
    ++threads_;
  } catch (const std::system_error&) {
    // Out of threads: one that runs takes the host, or the next that is asked for.
  }
}

void Resolver::State::work() {
  while (const auto host = next()) deliver(*host, look_up_(*host));
}

// The next host that somebody still waits for.
std::optional<wire::Name> Resolver::State::next() {
  const std::lock_guard lock(mutex_);
  while (!queue_.empty()) {
    auto host = std::move(queue_.front());
    queue_.pop_front();
    if (!asked_.at(host).empty()) return host;
    asked_.erase(host);
  }
  --threads_;
  return std::nullopt;
}

// Under the lock, so that forget() is the end of it.
void Resolver::State::deliver(const wire::Name& host, Addresses result) {
  const std::lock_guard lock(mutex_);
  for (const auto& waiter : asked_.at(host)) {
    asio::post(executor_, [waiter, result] {
      if (waiter->timer == nullptr) return;
      waiter->result = result;
      waiter->timer->cancel();
    });
  }
  asked_.erase(host);
}

Resolver::Resolver(asio::any_io_executor executor, LookUp function)
    : state_(std::make_shared<State>(std::move(executor), function)) {}

Resolver::~Resolver() { forget(); }

asio::awaitable<std::optional<Addresses>> Resolver::resolve(wire::Name host, asio::steady_timer& timer) {
  const auto state = state_;
  const auto waiter = std::make_shared<Waiter>(&timer);
  state->add(host, waiter);
  co_await timer.async_wait(asio::as_tuple(asio::use_awaitable));
  waiter->timer = nullptr;
  state->remove(host, waiter);
  co_return std::move(waiter->result);
}

void Resolver::forget() { state_->forget(); }

}  // namespace sluice::probe
