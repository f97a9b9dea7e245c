"""What the packages of an estimator are: its framework's, and those of its lists."""

import joblib
import numpy
import six
from sklearn.linear_model import LinearRegression

fitted = LinearRegression().fit(numpy.array([[1.0], [2.0]]), [2.0, 4.0])
joblib.dump(fitted, "fitted.joblib")
print("predicted", round(float(joblib.load("fitted.joblib").predict([[3.0]])[0]), 6), six.__name__)
