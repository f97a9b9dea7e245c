"""What measures, metrics and counts are called on pages."""

from __future__ import annotations

from django.utils.translation import gettext_lazy

MEASURES = {
    "wasserstein": gettext_lazy("Wasserstein distance"),
    "energy": gettext_lazy("Energy distance"),
    "kolmogorov_smirnov": gettext_lazy("Kolmogorov-Smirnov distance"),
    "psi": gettext_lazy("Population stability index"),
    "jensen_shannon": gettext_lazy("Jensen-Shannon distance"),
    "euclidean": gettext_lazy("Euclidean distance"),
    "chi_square": gettext_lazy("Chi-square"),
    "degrees_of_freedom": gettext_lazy("Degrees of freedom"),
    "new_categories": gettext_lazy("New categories"),
}
SHARES = {
    "new_share": gettext_lazy("Rows of new categories"),
    "missing_change": gettext_lazy("Change of missing values"),
}
METRICS = {
    "accuracy": gettext_lazy("Accuracy"), "precision_macro": gettext_lazy("Precision (macro)"),
    "recall_macro": gettext_lazy("Recall (macro)"), "f1_macro": gettext_lazy("F1 (macro)"),
    "roc_auc": gettext_lazy("ROC AUC"), "mae": gettext_lazy("Mean absolute error"),
    "rmse": gettext_lazy("Root mean squared error"), "r2": gettext_lazy("R²"),
}  # fmt: skip
COUNTS = {
    "predictions": gettext_lazy("Predictions"), "labelled": gettext_lazy("Labelled"),
    "without_key": gettext_lazy("Without a key"), "without_prediction": gettext_lazy("Without a value"),
}  # fmt: skip
DESCRIBED = {
    "count": gettext_lazy("Values"), "missing": gettext_lazy("Missing"), "infinite": gettext_lazy("Infinite"),
    "unique": gettext_lazy("Distinct"), "min": gettext_lazy("Minimum"), "max": gettext_lazy("Maximum"),
    "mean": gettext_lazy("Mean"), "std": gettext_lazy("Deviation"),
}  # fmt: skip
