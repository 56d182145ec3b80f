"""Document 002's "Complete Training Pipeline", as it is printed."""

PRINTED_AT = "http://localhost:8000"
PROGRAM = r'''
import requests
import base64
import time

# Step 1: Register features from gold layer
feature_view = requests.post(
    "http://localhost:8000/feast/features",
    json={
        "name": "customer_features",
        "entities": ["customer_id"],
        "features": [
            {"name": "total_orders", "dtype": "int64"},
            {"name": "total_spent", "dtype": "float64"}
        ],
        "source": {
            "table_name": "customer_aggregates",
            "timestamp_field": "updated_at"
        }
    }
).json()

# Step 2: Create training script that uses Feast
training_script = """
import mlflow
from feast import FeatureStore
import pandas as pd

# Initialize Feast
store = FeatureStore(repo_path="/tmp/feast_repo")

# Get features
entity_df = pd.DataFrame({"customer_id": [1, 2, 3]})
training_df = store.get_historical_features(
    entity_df=entity_df,
    features=["customer_features:total_orders",
              "customer_features:total_spent"]
).to_df()

# Train model
mlflow.set_experiment("churn_model")
with mlflow.start_run():
    # ... training code ...
    mlflow.log_metric("accuracy", 0.92)
"""

# Step 3: Upload and execute training script
script_b64 = base64.b64encode(training_script.encode()).decode()
job = requests.post(
    "http://localhost:8000/mlops/training/upload",
    json={
        "script_name": "train.py",
        "script_content": script_b64,
        "experiment_name": "churn_model",
        "model_name": "churn_classifier",
        "requirements": ["feast", "scikit-learn"]
    }
).json()

# Step 4: Monitor training
job_id = job['job_id']
while True:
    status = requests.get(f"http://localhost:8000/mlops/training/jobs/{job_id}").json()
    if status['status'] in ['completed', 'failed']:
        break
    time.sleep(5)

print(f"Training completed: {status['run_id']}")
'''
