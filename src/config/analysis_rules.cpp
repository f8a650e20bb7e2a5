#include "config/analysis_rules.hpp"

#include "config/file_rules.hpp"

namespace sluice::config {
namespace {

constexpr double samples_min_of_queries = 1, samples_min_of_probes = 20;

void need(const SectionTable& section, std::string_view key, Errors& errors) {
  if (section.has(key)) return;
  errors.add(begin_of(*section.table), fmt::format("{} has no '{}'; expected {}", section.header(), key,
                                                   expected(*find_key(section.row->section, key))));
}

void complete_thresholds(const SectionTable& section, const Analysis& analysis, Errors& errors) {
  if (!section.has("max") && !section.has("min"))
    errors.add(begin_of(*section.table),
               fmt::format("{} has neither 'max' nor 'min': every value would do", section.header()));
  if (analysis.min && analysis.max && *analysis.min > *analysis.max)
    errors.add(section.value_at("min"),
               fmt::format("min: expected at most {} (the max), got {}", *analysis.max, *analysis.min));
  if (analysis.relative_to_old && section.has("query") && section.sound("query") &&
      analysis.query.find(pool_placeholder) == std::string::npos)
    errors.add(section.value_at("query"),
               fmt::format("query: expected one with {}, so that it can be asked for the old pool, too",
                           pool_placeholder));
}

void complete_query(const SectionTable& section, Analysis& analysis, Errors& errors) {
  need(section, "url", errors);
  need(section, "query", errors);
  complete_thresholds(section, analysis, errors);
  complete_web_server(section, analysis, errors);
  if (section.has("samples_min") && !section.has("samples"))
    errors.add(section.value_at("samples_min"), "'samples_min' needs 'samples', the query that counts them");
  if (section.has("samples") && !section.has("samples_min")) analysis.samples_min = samples_min_of_queries;
}

}  // namespace

void complete_analysis(const SectionTable& section, Analysis& analysis, Errors& errors) {
  switch (analysis.type) {
    case AnalysisType::prometheus:
      return complete_query(section, analysis, errors);
    case AnalysisType::exec:
      return need(section, "command", errors);
    case AnalysisType::webhook:
      need(section, "url", errors);
      return complete_web_server(section, analysis, errors);
    case AnalysisType::probes:
      if (!section.has("samples_min")) analysis.samples_min = samples_min_of_probes;
      break;
  }
}

}  // namespace sluice::config
