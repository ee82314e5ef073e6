// A study's runs -> results.json and timing.json.
//
// results.json has nothing that differs from one execution to the next: same runs, same bytes. Everything about
// time is in timing.json. A `summary` there is {"values": one per seed, "mean", "interval"}: see
// mom/compare/statistics.h. Mean and interval are null when a seed has no value: the mean over those that
// reached a loss would flatter.
#pragma once

#include <map>

#include "mom/base/json.h"
#include "mom/runs/run_folder.h"
#include "mom/study/grid.h"

namespace mom::study {

struct StudyTables {
  OrderedJson results, timing;
};

// `failed`: error by run. Runs that are neither finished nor failed count as unfinished and are left out of the tables.
StudyTables make_tables(const StudyConfig& study, const Grid& grid, const Path& folder,
                        const std::map<std::string, std::string>& failed);

// Losses of a run, thinned to at most 200 points per curve: training lines are averaged over equal stretches,
// of held-out evaluations some are left out, never the last.
OrderedJson curves_json(const runs::RunFolder& run);

// {"of": "processor" or "steps", "step": [...], "seconds": [...]}: the time a run had taken by the steps of its
// thinned training curve; null when its log has no times.
OrderedJson clock_json(const runs::RunFolder& run);

OrderedJson summary_json(const std::vector<std::optional<double>>& values);

}  // namespace mom::study
