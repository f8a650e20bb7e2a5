#include "control/reloader.hpp"

#include <string>

#include <boost/asio/post.hpp>

#include "base/consideration.hpp"
#include "control/publisher.hpp"
#include "control/targets.hpp"

namespace sluice::control {
namespace {

// More would read the same files.
constexpr std::size_t reloads_max = 4;

}  // namespace

Reloader::Reloader(Hands hands, SetTargets set_targets, TakeOver take_over)
    : hands_(std::move(hands)),
      set_targets_(std::move(set_targets)),
      take_over_(std::move(take_over)),
      alarm_(hands_.executor, [this] { finish(); }) {}

void Reloader::reload(const Request& request, ReplyHandler handler) {
  if (reloads_.size() == reloads_max)
    return handler(
        Error{ErrorCode::refused, "several reloads are waiting already, and will read the newest files"});
  reloads_.push_back({request, std::move(handler)});
  if (reloads_.size() == 1) load_next();
}

void Reloader::load_next() {
  boost::asio::post(loader_, [this, self = hands_.self(), file = hands_.model.config().file] {
    const Consideration for_queries;
    auto result = load(file, block_steer_ids);
    boost::asio::post(hands_.executor, [this, self, result = std::move(result)]() mutable {
      if (stopped_) return refuse(*stopped_);
      prepare(std::move(result));
    });
  });
}

// What is served goes on being served until the targets that come anew have been probed: none of them is to
// be handed out unseen. Before the first publication, all wait together.
void Reloader::prepare(LoadResult result) {
  preparing_ = {{std::move(result), {}}, {}};
  const bool is_taken = preparing_->prepared.result.loaded && !reloads_.front().request.dry_run;
  if (is_taken && hands_.may_act()) await_new_targets();
  if (preparing_->awaited.empty()) finish();
}

void Reloader::await_new_targets() {
  const auto& config = preparing_->prepared.result.loaded->config;
  const auto unknown = hands_.model.unknown_in(config);
  auto targets = targets_of(config);
  std::erase_if(targets, [&](const auto& target) { return !unknown.contains(health_key(target)); });
  if (targets.empty()) return;
  for (const auto& target : targets) preparing_->awaited.insert(health_key(target));
  alarm_.set_after(first_round_limit(targets));
  const auto before = targets_of(hands_.model.config());
  targets.insert(targets.end(), before.begin(), before.end());
  set_targets_(std::move(targets));
}

bool Reloader::take_probe(const probe::Target& target, const health::ProbeResult& result) {
  if (!preparing_ || !preparing_->awaited.contains(health_key(target))) return false;
  preparing_->prepared.first_results.emplace_back(target, result);
  return true;
}

void Reloader::await_no_more(const HealthKey& key) {
  if (preparing_ && preparing_->awaited.erase(key) > 0 && preparing_->awaited.empty()) finish();
}

void Reloader::finish() {
  alarm_.clear();
  auto preparing = *std::exchange(preparing_, std::nullopt);
  const auto reload = std::move(reloads_.front());
  reloads_.pop_front();
  if (!reloads_.empty()) load_next();
  reload.handler(take_over_(std::move(preparing.prepared), reload.request));
}

void Reloader::refuse(const Error& why) {
  for (const auto& reload : std::exchange(reloads_, {})) reload.handler(why);
}

void Reloader::stop(const Error& why) {
  stopped_ = why;
  alarm_.clear();
  if (std::exchange(preparing_, std::nullopt)) refuse(why);  // nothing is being loaded that would do so
  loader_.join();
}

}  // namespace sluice::control
