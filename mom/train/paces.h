// How fast each weight learns: train.freeze and train.learning_rate_factors are globs over parameter names (`*` is any text,
// dots too), such as "*.text.*". The rows of the token tables are named by modality as well:
// backbone.embeddings.text.weight is what backbone.embeddings.weight has of text.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "mom/models/model.h"
#include "mom/train/flat_parameters.h"
#include "mom/train/recipe.h"
#include "mom/train/row.h"

namespace mom::train {

struct Pace {
  Range range;        // of a row
  double factor = 1;  // of the learning rate
};

class Paces {
 public:
  // UserError: a pattern that no parameter has (with near names), two patterns that give one parameter different factors, or
  // nothing left that learns.
  Paces(const TrainConfig& config, const FlatParameters& parameters, const models::ModelImpl& model);
  // What learns, in order, with the gaps in between; where nothing was said, the whole row.
  const std::vector<Pace>& learning() const { return learning_; }
  const std::vector<Range>& frozen() const { return frozen_; }
  // Parameters that are frozen as a whole.
  const std::set<std::string>& frozen_names() const { return frozen_names_; }

 private:
  std::vector<Pace> learning_;
  std::vector<Range> frozen_;
  std::set<std::string> frozen_names_;
};

}  // namespace mom::train
