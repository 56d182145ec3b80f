from feast import Project
from views.customers import buyers, customer, habits

project = Project(name="shop")

__all__ = ["buyers", "customer", "habits", "project"]
