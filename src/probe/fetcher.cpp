#include "probe/fetcher.hpp"

#include <utility>

#include "probe/errors.hpp"
#include "probe/open_jobs.hpp"

namespace sluice::probe {
namespace {

Result<WebReply> error_reply(std::string why) { return unavailable(std::move(why)); }

}  // namespace

Fetcher::Fetcher(boost::asio::any_io_executor executor)
    : jobs_(std::make_shared<OpenJobs>(std::move(executor), requests_open_max)) {}

Fetcher::~Fetcher() { stop(); }

void Fetcher::fetch(WebRequest request, OnFetched done) {
  const auto job = jobs_->make();
  jobs_->begin(jobs_, job, OpenJobs::Place::needed,
               probe::fetch(std::move(request), job->open, jobs_->resolver()), std::move(done), error_reply);
}

void Fetcher::stop() { jobs_->stop(); }

}  // namespace sluice::probe
