#include "probe/fetcher.hpp"

#include <utility>

#include "probe/errors.hpp"
#include "probe/open_jobs.hpp"

namespace sluice::probe {
namespace {

Result<WebReply> error_reply(std::string why) { return unavailable(std::move(why)); }

}  // namespace

class Fetcher::Implementation {
 public:
  explicit Implementation(boost::asio::any_io_executor executor)
      : jobs(std::move(executor), requests_open_max) {}
  OpenJobs jobs;
};

Fetcher::Fetcher(boost::asio::any_io_executor executor)
    : implementation_(std::make_shared<Implementation>(std::move(executor))) {}

Fetcher::~Fetcher() { stop(); }

void Fetcher::fetch(WebRequest request, OnFetched done) {
  auto& jobs = implementation_->jobs;
  const auto job = jobs.make();
  jobs.begin(implementation_, job, OpenJobs::Place::needed,
             probe::fetch(std::move(request), job->open, jobs.resolver()), std::move(done), error_reply);
}

void Fetcher::stop() { implementation_->jobs.stop(); }

}  // namespace sluice::probe
