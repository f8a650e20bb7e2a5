#include "control/kept_ttls.hpp"

namespace sluice::control {
namespace {

bool is_configured(const Model& model, const wire::Name& name, Duration ttl) {
  const auto* steer = model.config().find_steer(name);
  return steer != nullptr && steer->ttl == ttl;
}

bool is_kept(const Model& model, const config::Steer& steer) {
  const auto known = model.steerings().find(steer.name);
  if (known == model.steerings().end()) return false;
  const auto kept = known->second.ttls.find(steer.ttl);
  return kept != known->second.ttls.end() && !kept->second;
}

rollout::LeaseEnd latest_end(const Steering& steering, Time started) {
  rollout::LeaseEnd end{started, {}};
  for (const auto& [ttl, until] : steering.ttls) {
    // By a clock that was set back since, it may be far away.
    const auto longest = rollout::lease_from(started, ttl);
    end = rollout::later(end, until && *until < longest.at ? rollout::LeaseEnd{*until, ttl} : longest);
  }
  return end;
}

}  // namespace

std::vector<store::Change> new_ttls(const Model& model) {
  std::vector<store::Change> changes;
  for (const auto& steer : model.config().steers)
    if (!is_kept(model, steer)) changes.emplace_back(store::KeptTtl{steer.name.text(), steer.ttl, {}});
  return changes;
}

std::vector<store::Change> past_ttls(const Model& model, Time now) {
  std::vector<store::Change> changes;
  for (const auto& [name, steering] : model.steerings())
    for (const auto& [ttl, until] : steering.ttls) {
      if (until && *until <= now)
        changes.emplace_back(store::KeptTtlOver{name.text(), ttl});
      else if (!until && !is_configured(model, name, ttl))
        changes.emplace_back(store::KeptTtl{name.text(), ttl, now + rollout::time_in_caches(ttl)});
    }
  return changes;
}

rollout::LeaseEnd inherited_lease(const Model& model, const wire::Name& name, Time started) {
  const auto known = model.steerings().find(name);
  return known == model.steerings().end() ? rollout::LeaseEnd{started, {}}
                                          : latest_end(known->second, started);
}

rollout::LeaseEnd inherited_lease(const Model& model, Time started) {
  rollout::LeaseEnd end{started, {}};
  for (const auto& [name, steering] : model.steerings())
    end = rollout::later(end, latest_end(steering, started));
  return end;
}

}  // namespace sluice::control
