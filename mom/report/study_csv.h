// Every number of a study page as CSV, inside the page: links that work without scripts.
//
//   study.csv            table,group,arm,set,modality,metric,statistic,value
//                        statistic: "seed 1", "mean", "low" and "high" (the interval), or "value"
//   curves-GROUP.csv     panel,line,set,modality,step,tokens,flops,seconds,loss,low,high
#pragma once

#include <string>
#include <vector>

#include "mom/report/study_report.h"

namespace mom::report {

struct CsvFile {
  std::string name, text;
};

std::vector<CsvFile> csv_files(const StudySubject& subject);
// An <a download> with the file in it.
std::string csv_link(const CsvFile& file);

}  // namespace mom::report
