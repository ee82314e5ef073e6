#include "mom/quality/ranking.h"

#include <algorithm>
#include <map>

#include "mom/modality/special_tokens.h"
#include "mom/quality/likelihood.h"

namespace mom::quality {
namespace {

constexpr size_t kCaptionsTogether = 20;  // captions in one batch: affects memory, not results

generate::Feed start_of_document() {
  generate::Feed feed;
  feed.append(modality::special::kBos);
  return feed;
}

generate::Feed document_with(const generate::Segment& media, const modality::Vocabulary& vocabulary) {
  const modality::Brackets brackets = *vocabulary.find(media.modality)->brackets;
  generate::Feed feed = start_of_document();
  feed.append(brackets.open);
  if (media.picture) feed.append(*media.picture);
  for (const int32_t token : media.tokens) feed.append(token);
  feed.append(brackets.close);
  return feed;
}

// ln p(caption) of all candidates, each once.
std::map<size_t, double> without_media(models::ModelImpl& model, const std::vector<Pair>& pairs,
                                       const std::vector<std::vector<size_t>>& candidates) {
  std::map<size_t, double> found;
  for (const std::vector<size_t>& some : candidates)
    for (const size_t caption : some) found[caption] = 0;
  for (auto first = found.begin(); first != found.end();) {
    std::vector<Continuation> batch;
    auto last = first;
    for (; last != found.end() && batch.size() < kCaptionsTogether; ++last)
      batch.push_back({start_of_document(), pairs[last->first].caption});
    for (const double value : log_likelihoods(model, batch)) (first++)->second = value;
  }
  return found;
}

}  // namespace

Ranking rank_captions(models::ModelImpl& model, const std::vector<Pair>& pairs,
                      const std::vector<std::vector<size_t>>& candidates,
                      const std::function<void(size_t done)>& on_progress) {
  const std::map<size_t, double> alone = without_media(model, pairs, candidates);
  Ranking ranking;
  for (size_t i = 0; i < candidates.size(); ++i) {
    const generate::Feed before = document_with(pairs[candidates[i][0]].media, model.spec().vocabulary);
    std::vector<Continuation> batch;
    for (const size_t caption : candidates[i]) batch.push_back({before, pairs[caption].caption});
    const std::vector<double> likelihoods = log_likelihoods(model, batch);
    std::vector<double> information = likelihoods;
    for (size_t c = 0; c < information.size(); ++c) information[c] -= alone.at(candidates[i][c]);
    ranking.by_likelihood.add(likelihoods);
    ranking.by_information.add(information);
    ranking.among = std::max(ranking.among, std::ssize(candidates[i]));
    on_progress(i + 1);
  }
  return ranking;
}

}  // namespace mom::quality
