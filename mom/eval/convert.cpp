#include "mom/eval/convert.h"

#include "mom/base/error.h"
#include "mom/models/convert.h"
#include "mom/models/hugging_face.h"
#include "mom/models/quantize.h"
#include "mom/train/checkpoint.h"

namespace mom::eval {

void convert_dense_to_mixture(const Path& from, const Path& out, const std::vector<std::string>& modalities,
                              const std::vector<std::string>& decoupled) {
  const Path folder = train::find_model_folder(from);
  const Path config = folder / "config.json";
  models::ModelSpec spec = models::spec_from_json(read_json(config), config.string());
  if (!modalities.empty()) {
    if (spec.modalities.size() > 1 && spec.modalities != modalities)
      throw UserError(
          {"--modalities", "those of the model, or none", "others than in " + config.string(), ""});
    spec.modalities = modalities;
  }
  models::Model dense(spec);
  models::load_weights(*dense, folder);
  models::Model mixture = models::dense_to_mixture(*dense, decoupled);
  FolderPublisher publisher(out, /*replace=*/false);
  models::write_model(publisher.path(), *mixture);
  if (spec.vocabulary.empty()) models::keep_language(folder, publisher.path());
  publisher.commit();
}

void convert_quantize(const Path& from, const Path& out, const std::string& weights) {
  const Path folder = train::find_model_folder(from);
  models::Model model = models::load_model(folder);
  FolderPublisher publisher(out, /*replace=*/false);
  models::write_model_as(publisher.path(), *model, weights);
  if (model->spec().vocabulary.empty()) models::keep_language(folder, publisher.path());
  publisher.commit();
}

}  // namespace mom::eval
