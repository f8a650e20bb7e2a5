#include "control/notices.hpp"

#include <algorithm>

namespace sluice::control {
namespace {

constexpr Duration first_wait = std::chrono::seconds(1), longest_wait = std::chrono::seconds(60);

}  // namespace

Duration notice_wait(unsigned attempts) { return std::min(first_wait * (1 << (attempts - 1)), longest_wait); }

void Notices::announce(const config::Config& config, const zone::ZoneSet& zones, Time now) {
  const auto before = std::exchange(announced_, {});
  for (std::size_t i = 0; i < zones.zones().size(); ++i) {
    const auto& zone = *zones.zones()[i];
    for (const auto& target : config.zones[i].notify) {
      const NoticeKey key{target.address, zone.apex()};
      announced_[key] = zone.serial();
      const auto told = before.find(key);
      // What has not been answered yet begins anew, with what the config says now: the key may be another.
      if (told != before.end() && told->second == zone.serial() && !pending_.contains(key)) continue;
      const auto soa = zone.soa().first();
      plan(key, {.serial = zone.serial(),
                 .key = target.key,
                 .soa_ttl = zone.soa().ttl(),
                 .soa = {soa.begin(), soa.end()},
                 .attempts = 0,
                 .due = now});
    }
  }
  for (auto each = pending_.begin(); each != pending_.end();) {
    const auto& [key, notice] = *each;
    if (announced_.contains(key)) {
      ++each;
      continue;
    }
    queue_.erase({notice.due, key});
    each = pending_.erase(each);
  }
}

// News make older ones of the same zone needless.
void Notices::plan(const NoticeKey& key, Notice notice) {
  auto& place = pending_[key];
  queue_.erase({place.due, key});
  place = std::move(notice);
  queue_.emplace(place.due, key);
}

Notices::Due Notices::take_due(Time now, std::size_t count_max) {
  Due due;
  while (!queue_.empty() && queue_.begin()->first <= now &&
         due.send.size() + due.given_up.size() < count_max) {
    const NoticeKey key = queue_.begin()->second;
    queue_.erase(queue_.begin());
    Notice& notice = pending_.at(key);
    if (notice.attempts == notice_attempts_max) {
      due.given_up.emplace_back(key, std::move(notice));
      pending_.erase(key);
      continue;
    }
    notice.due = now + notice_wait(++notice.attempts);
    queue_.emplace(notice.due, key);
    due.send.push_back(key);
  }
  return due;
}

std::optional<Time> Notices::next_due() const {
  if (queue_.empty()) return {};
  return queue_.begin()->first;
}

const Notice* Notices::find(const NoticeKey& key) const {
  const auto found = pending_.find(key);
  return found == pending_.end() ? nullptr : &found->second;
}

void Notices::answered(const NoticeKey& key) {
  const auto found = pending_.find(key);
  if (found == pending_.end()) return;
  queue_.erase({found->second.due, key});
  pending_.erase(found);
}

}  // namespace sluice::control
